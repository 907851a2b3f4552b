public import AgentAPI
import Layers
import Linux
import Logging
import Spec

/// What tasks may use, and do use.
extension TaskManager {
    /// Those that haven't ended: what is set aside for them is nobody else's.
    var reserving: [TaskIntent] {
        tasks.values.filter { !$0.machine.isAtRest }.map(\.intent).sorted { ($0.created, $0.name) < ($1.created, $1.name) }
    }

    /// - Parameter id: a task that is there already, and doesn't compete with itself.
    func admission(without id: String?) -> TaskAdmission {
        TaskAdmission(
            configuration: configuration, others: tasks.values.map(\.intent).filter { $0.id != id },
            reserving: reserving.filter { $0.id != id }, lastAddress: lastAddress,
            jobPorts: jobPorts)
    }

    /// What the host has, and what of it is set aside and used.
    public func host() async throws -> HostCapacity { try await resources.host(reserving) }

    /// What the host and all tasks that haven't ended use.
    public func usage() async throws -> HostUsage {
        let tasks = reserving
        return HostUsage(host: try await resources.host(tasks), tasks: try await resources.usage(of: tasks))
    }

    /// What one task uses; of one that has ended, what it left on the disk.
    public func usage(of name: String) async throws -> TaskUsage {
        let intent = try find(name).intent
        guard let usage = try await resources.usage(of: [intent]).first else { throw Self.unknown(name) }
        return usage
    }

    /// What needs looking at every few seconds: who has run into a limit.
    public func watchLimits() async { await resources.watchLimits(reserving) }

    /// Changes a task's limits; of one that runs, at once.
    ///
    /// - Throws: `AgentError` when the new limits make no sense, can't be enforced or don't fit: then nothing has changed.
    public func update(
        _ name: String, _ change: LimitsChange, because: String = "asked for over the API"
    ) async throws -> TaskStatus {
        try await update(name, change, because: because, if: .none)
    }

    func update(
        _ name: String, _ change: LimitsChange, because: String, if condition: Precondition
    ) async throws -> TaskStatus {
        let task = try find(name)
        try condition.check("the task '\(task.intent.name)'", describe(task))
        let (id, before) = (task.intent.id, task.intent)
        guard resizing.insert(id).inserted else {
            throw AgentError(.conflict, "the limits of the task '\(before.name)' are being changed already; try again")
        }
        defer { resizing.remove(id) }
        var intent = before
        do {
            try intent.request.limits.apply(change.limits, lifting: change.lift)
        } catch { throw AgentError(error, in: error.path.hasPrefix("lift") ? "" : "limits") }
        intent.request.bestEffort = before.request.bestEffort || change.bestEffort
        let (pool, wanted) = (configuration.pool, intent.request)
        let host = try await blocking { try HostResources.current(pool) }
        intent.notEnforced = try host.notEnforced(wanted)
        // Meanwhile it may have been removed, or changed by somebody who has read it since.
        guard let now = tasks[id], !now.isVanishing, now.machine.run.wish != .remove else { throw Self.unknown(name) }
        try condition.check("the task '\(before.name)'", describe(now))
        try admission(without: id).reserve(wanted, on: host)
        intent.isResized = true
        // From here on it counts, for others that ask to be admitted.
        replaceLimits(of: id, by: intent)
        do {
            try await writeIntent(of: id, name)
            if runs(id) { await resources.protect(reserving) }
            try await launcher.setLimits(intent, isRunning: runs(id), since: before)
        } catch {
            replaceLimits(of: id, by: before)
            try? await writeIntent(of: id, name)
            try? await launcher.setLimits(before, isRunning: runs(id), since: intent)
            throw AgentError(of: error, in: "change the limits of task '\(before.name)'")
        }
        events.record(.task, before.name, id: id, "resized", reason: "\(because): \(change.summary)")
        guard let status = status(of: id) else { throw Self.unknown(name) }
        return status
    }

    private func runs(_ id: String) -> Bool { tasks[id].map { !$0.machine.isAtRest } ?? false }

    /// Writes down what a task is now; one that is being taken away must not come back by that.
    private func writeIntent(of id: String, _ name: String) async throws {
        guard let task = tasks[id], !task.isVanishing else { throw Self.unknown(name) }
        try await write(task.intent)
    }

    /// Something else of the intent may have changed meanwhile.
    private func replaceLimits(of id: String, by intent: TaskIntent) {
        tasks[id]?.intent.request.limits = intent.request.limits
        tasks[id]?.intent.request.bestEffort = intent.request.bestEffort
        tasks[id]?.intent.notEnforced = intent.notEnforced
        tasks[id]?.intent.isResized = intent.isResized
    }

    /// Tells helpers the limits of tasks that were changed: an earlier agent may have ended before it did.
    func repeatLimits() async {
        for intent in reserving where intent.isResized == true {
            do {
                try await launcher.setLimits(intent, isRunning: true, since: nil)
            } catch {
                logger.error("set limits again", metadata: ["task": "\(intent.name)", "error": "\(error)"])
            }
        }
    }
}
