public import AgentAPI
import FoundationEssentials
import Glibc
import Layers
import Linux
import Spec

extension TaskRun.Rollback {
    var target: String { snapshot.map { "the snapshot '\($0)'" } ?? "the image" }
}

/// Snapshots of tasks' root file systems, and the way back to them.
extension TaskManager {
    /// - Parameter snapshot: nil for the time.
    public func snapshot(
        _ name: String, as snapshot: String?, because: String = "asked for over the API"
    ) async throws -> TaskSnapshotStatus {
        let intent = try atHand(name).intent
        let (pool, record, name) = (configuration.pool, intent.record, snapshot ?? Self.timeName())
        let (made, missing) = try await refusing("name") {
            try await blocking {
                (try pool.snapshot(record, as: name, at: Int64(time(nil))), try pool.subvolumesInside(record))
            }
        }
        events.record(.task, intent.name, id: intent.id, "snapshot", reason: "'\(made.name)': \(because)")
        var status = TaskSnapshotStatus(name: made.name, created: made.created, isAutomatic: made.isAutomatic)
        if !missing.isEmpty { status.missing = Array(missing.prefix(100)) }
        return status
    }

    /// Oldest first.
    public func snapshots(_ name: String) async throws -> [TaskSnapshotStatus] {
        let (pool, record) = (configuration.pool, try find(name).intent.record)
        return try await refusing { try await blocking { try pool.snapshots(of: record) } }.map {
            TaskSnapshotStatus(name: $0.name, created: $0.created, isAutomatic: $0.isAutomatic)
        }
    }

    public func removeSnapshot(
        _ snapshot: String, of name: String, because: String = "asked for over the API"
    ) async throws {
        let task = try atHand(name)
        guard task.machine.run.rollback?.snapshot != snapshot else {
            throw AgentError(.conflict, "the task '\(task.intent.name)' is being rolled back to '\(snapshot)'")
        }
        let (pool, record) = (configuration.pool, task.intent.record)
        try await refusing {
            try await blocking {
                guard try pool.snapshots(of: record).contains(where: { $0.name == snapshot }) else {
                    throw AgentError(
                        .notFound,
                        "there is no snapshot '\(snapshot)' of the task '\(record.name)'; see what there is: dish history \(record.name)"
                    )
                }
                try pool.removeSnapshot(snapshot, of: record)
            }
        }
        events.record(.task, record.name, id: record.id, "snapshot removed", reason: "'\(snapshot)': \(because)")
    }

    /// Gives a task the root file system that it had, and starts it again if it runs.
    ///
    /// - Parameters:
    ///   - snapshot: nil for the last one that somebody made, or else the image.
    ///   - timeout: seconds until what is left is killed; nil for 10, and none where the init that would end it is gone.
    public func rollBack(
        _ name: String, to snapshot: String?, toImage: Bool = false, timeout: UInt32?, because: String = "asked for over the API"
    ) async throws -> TaskStatus {
        let task = try readyToRollBack(name)
        let id = task.intent.id
        let all = try await snapshots(id)
        if let snapshot, !all.contains(where: { $0.name == snapshot }) {
            let there = all.isEmpty ? "it has none" : "it has \(all.map(\.name).joined(separator: ", "))"
            throw AgentError(
                .notFound, "there is no snapshot '\(snapshot)' of the task '\(task.intent.name)'; \(there)", field: "snapshot")
        }
        let last = all.last { !$0.isAutomatic }?.name
        var (kept, number) = ("before-\(Self.timeName())", 2)
        while all.contains(where: { $0.name == kept }) { (kept, number) = ("before-\(Self.timeName())-\(number)", number + 1) }
        let seconds: UInt32
        if let timeout { seconds = timeout } else { seconds = try await canShutDown(task.intent) ? 10 : 0 }
        // Under way, it must be over first.
        let deadline = ContinuousClock.now + .seconds(60)
        while case .settling = tasks[id]?.machine.state, ContinuousClock.now < deadline {
            try await changes.wait(until: deadline)
        }
        if case .settling = try readyToRollBack(id).machine.state {
            throw AgentError(
                .failed, "roll back task '\(task.intent.name)': what is left of its last run hasn't ended after 60 s; try again")
        }
        let rollback = TaskRun.Rollback(snapshot: toImage ? nil : snapshot ?? last, keptAs: kept)
        let generation = tasks[id]?.generation ?? 0
        events.record(
            .task, task.intent.name, id: id, "rollback",
            reason: "to \(rollback.target): \(because); what was is kept as '\(kept)'")
        RunningOperation.current?.note("gives it \(rollback.target) once its run is over, in \(seconds) s at most")
        try await handle(.rollBack(rollback, seconds: seconds), id, because: "rolled back: \(because)")
        return try await rolledBack(id, rollback, after: generation, seconds: Int(seconds) + 120)
    }

    /// The task, if it is neither on its way out nor being rolled back.
    private func readyToRollBack(_ name: String) throws -> ManagedTask {
        let task = try atHand(name)
        guard task.machine.run.rollback == nil else {
            throw AgentError(.conflict, "the task '\(task.intent.name)' is being rolled back already")
        }
        return task
    }

    /// Whether a task can end by itself when it is asked to: one that is booted needs what its init runs.
    private func canShutDown(_ intent: TaskIntent) async throws -> Bool {
        guard intent.boots else { return true }
        let path = "\(configuration.pool.directory(ofTask: intent.id))/rootfs"
        return try await blocking { try OwnedFD.open(path, O_RDONLY | O_DIRECTORY).contains("sbin/init") }
    }

    private func rolledBack(
        _ id: String, _ rollback: TaskRun.Rollback, after generation: Int, seconds: Int
    ) async throws -> TaskStatus {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while let task = tasks[id], ContinuousClock.now < deadline {
            let isOver = task.machine.run.rollback != rollback
            if isOver, let reason = task.machine.run.givenUp {
                throw AgentError(.failed, "task '\(task.intent.name)': \(reason)")
            }
            if isOver, task.machine.isAtRest { break }
            if isOver, case .alive = task.machine.state, task.generation > generation { break }
            try await changes.wait(until: deadline)
        }
        guard let task = tasks[id] else { throw Self.unknown(id) }
        guard task.machine.run.rollback != rollback else {
            throw AgentError(
                .failed,
                "task '\(task.intent.name)': it isn't rolled back after \(seconds) s, which goes on; see: dish events \(task.intent.name)"
            )
        }
        return describe(task)
    }

    func rollBack(_ intent: TaskIntent, _ rollback: TaskRun.Rollback) async throws {
        let (pool, record, limit) = (configuration.pool, intent.record, intent.request.limits.disk)
        try await blocking {
            try pool.rollBack(
                record, to: rollback.snapshot, keptAs: rollback.keptAs, at: Int64(time(nil)), limit: limit)
        }
    }

    /// The task, if it isn't on its way out.
    private func atHand(_ name: String) throws -> ManagedTask {
        let task = try find(name)
        guard task.machine.run.wish != .remove else {
            throw AgentError(.conflict, "the task '\(task.intent.name)' is being removed")
        }
        return task
    }

    /// - Parameter field: what is behind a request that makes no sense.
    private func refusing<Result>(_ field: String? = nil, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch {
            let refusal = Self.refusal(error)
            throw refusal.code == .invalid ? AgentError(.invalid, refusal.message, field: refusal.field ?? field) : refusal
        }
    }

    /// `20260131T235959Z`.
    private static func timeName() -> String {
        Date().formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
    }
}
