import AgentAPI
import Layers
import Linux
import Logging
import Spec

/// How tasks go.
extension TaskManager {
    /// Removes a task and everything that is its own.
    ///
    /// - Parameters:
    ///   - force: whether one that runs is killed first.
    ///   - purge: whether its logs go with it; those of a task that was removed before, too.
    public func remove(
        _ name: String, force: Bool, purge: Bool = false, because: String = "asked for over the API"
    ) async throws {
        try await remove(name, force: force, purge: purge, because: because, if: .none)
    }

    func remove(_ name: String, force: Bool, purge: Bool, because: String, if condition: Precondition) async throws {
        try condition.check("the task '\(name)'", (try? find(name)).map(describe))
        if purge, try await purgeLogs(name), (try? find(name)) == nil { return }
        let task = try find(name)
        let id = task.intent.id
        if purge { tasks[id]?.purges = true }
        tasks[id]?.removalFailure = nil
        if !task.machine.visible.hasEnded {
            guard force else {
                throw AgentError(
                    .conflict,
                    "the task '\(task.intent.name)' is \(task.machine.visible.rawValue); stop it first: dish stop \(task.intent.name) (or dish rm --force \(task.intent.name))"
                )
            }
        }
        busy += 1
        defer { busy -= 1 }
        try await handle(.remove(kills: force), id, because: because)
        // Another request, or its own end, may be removing it already, and an agent before this one may have begun: they keep its logs.
        try await waitUntilRemoved(id, seconds: 60)
        if purge { _ = try await purgeLogs(id) }
    }

    /// Removes the logs of a task that was removed.
    ///
    /// - Returns: whether there were any.
    private func purgeLogs(_ name: String) async throws -> Bool {
        let pool = configuration.pool
        return try await blocking {
            let named = try pool.removedTasks().filter { $0.name == name || $0.id == name }
            for task in named { try pool.removeLogs(ofRemoved: task.id) }
            return !named.isEmpty
        }
    }

    /// Returns once nothing is left of a task that is removed when it ends, or the time is over.
    public func waitUntilRemoved(_ name: String, seconds: Int) async throws {
        guard let id = try? find(name).intent.id else { return }
        let deadline = ContinuousClock.now + .seconds(max(0, min(seconds, 86400)))
        while let task = tasks[id], ContinuousClock.now < deadline {
            if let failure = task.removalFailure { throw failure }
            try await changes.wait(until: deadline)
        }
        if let left = tasks[id] { throw AgentError(.failed, "the task '\(left.intent.name)' is still there after \(seconds) s") }
    }

    /// Takes away what was made of a task that is refused. What can't be taken away now isn't the task's any more, and goes later: the next
    /// agent must not find a task that nobody was promised.
    func removeRefused(_ intent: TaskIntent) async {
        do {
            try await launcher.remove(intent, keepsLogs: false, isRepeated: false)
        } catch {
            logger.error("remove what was made of a task", metadata: ["task": "\(intent.name)", "error": "\(error)"])
            let removed = RemovedStates(configuration)
            await attempt("set aside what was made of a task", intent) { try await blocking { try removed.take(intent.id) } }
        }
    }

    /// Does what the machine says of a task that is to go.
    func remove(_ intent: TaskIntent) async throws {
        let stuck: StuckEntry?
        do {
            let purges = intent.request.removeWhenDone || tasks[intent.id]?.purges == true
            tasks[intent.id]?.isVanishing = true
            await tasks[intent.id]?.writing?.value
            stuck = try await launcher.remove(intent, keepsLogs: !purges)
        } catch {
            // It has ended, and shall be gone: that is written down, so this is no refusal, after which all would be as before.
            let reason = AgentError(of: error, in: "remove task '\(intent.name)'").message
            let failure = AgentError(.failed, "\(reason); it has ended, and shall be gone: ask again")
            _ = tasks[intent.id]?.machine.handle(.failed("\(error)"), at: HostClock.now)
            tasks[intent.id]?.removalFailure = failure
            tasks[intent.id]?.isVanishing = false
            changes.signal()
            throw failure
        }
        let because = tasks[intent.id]?.because ?? ""
        if let stuck {
            logger.warning("not all of a removed task is gone", metadata: ["task": "\(intent.name)", "reason": "\(stuck)"])
        }
        tasks[intent.id] = nil
        changes.signal()
        events.record(
            .task, intent.name, id: intent.id, "removed",
            reason: (intent.request.removeWhenDone ? "it was to be removed when it ended" : because)
                + (stuck.map { "; \($0)" } ?? ""))
    }
}
