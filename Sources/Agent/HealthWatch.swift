import AgentAPI
import Linux
import Spec
import Synchronization

/// Asks a running task its health checks until it is told to end.
///
/// Each check sleeps between its questions, and all tasks share a few slots: many tasks with checks take turns (`ProbeQueue`).
final class HealthWatch: Sendable {
    private let state: Mutex<HealthState>
    private let loop: Mutex<Task<Void, Never>?> = Mutex(nil)

    /// - Parameter report: told at each change, and at each answer for which the task is to be replaced: whether it is a change, and why
    ///   it is to be replaced.
    init(
        _ checks: [HealthCheck], of task: CheckedTask, slots: ProbeSlots,
        report: @escaping @Sendable (TaskHealth, Bool, String?) async -> Void
    ) {
        state = Mutex(HealthState(checks, started: HostClock.now))
        let all = Task { [weak self] in
            await withTaskGroup(of: Void.self) { group in
                for index in checks.indices {
                    group.addTask {
                        var probe = HealthProbe(checks[index], in: task)
                        while !Task.isCancelled, let pause = await self?.step(index, of: task.id, &probe, slots, report) {
                            try? await Task.sleep(for: .seconds(pause))
                        }
                    }
                }
            }
            await slots.forget(task.id)
        }
        loop.withLock { $0 = all }
    }

    deinit { loop.withLock { $0?.cancel() } }

    func cancel() { loop.withLock { $0?.cancel() } }

    var health: TaskHealth { state.withLock(\.health) }

    /// Asks once.
    ///
    /// - Returns: seconds until the next time; nil when there is none.
    private func step(
        _ index: Int, of task: String, _ probe: inout HealthProbe, _ slots: ProbeSlots,
        _ report: @escaping @Sendable (TaskHealth, Bool, String?) async -> Void
    ) async -> Double? {
        let (isAsked, check) = state.withLock { ($0.isAsked(index), $0.checks[index]) }
        // A startup check has done its work; the others wait until it has.
        guard isAsked else { return check.purpose == .startup ? nil : min(1, check.interval) }
        await slots.acquire(for: task)
        let failure = Task.isCancelled ? nil : await probe.ask()
        await slots.release(of: task)
        if Task.isCancelled { return 0 }
        let now = HostClock.now
        let (before, after, fatal, pause) = state.withLock { state in
            let before = state.health
            let fatal = state.take(failure, from: index, at: now)
            return (before, state.health, fatal, state.pause(index, at: now))
        }
        let isChange = before.started != after.started || before.live != after.live || before.ready != after.ready
        if fatal != nil || isChange {
            // In a task of its own, as TaskManager.watch does.
            await Task { await report(after, isChange, fatal) }.value
        }
        return pause
    }
}
