import AgentAPI
import Linux
import Logging
import TaskHelper

/// Handling of a task's events, one after the other.
extension TaskManager {
    /// One event after the other. What somebody asks for is on disk before anything is done about it, or it is refused and changes
    /// nothing; what has happened is written down as soon as that can be.
    ///
    /// - Parameter because: who or what is behind the event; nil for what was behind the last one.
    func handle(_ event: TaskMachine.Event, _ id: String, because: String? = nil) async throws {
        let (before, actions, isWritten): (TaskMachine, [TaskMachine.Action], Bool)
        await takeTurn(id)
        do {
            defer { endTurn(id) }
            guard let machine = tasks[id]?.machine else { return }
            var next = machine
            (before, actions) = (machine, next.handle(event, at: HostClock.now))
            isWritten = event.isAsked && next.run != before.run
            if isWritten { try await write(next.run, of: id, for: event) }
            tasks[id]?.machine = next
            if let because { tasks[id]?.because = because }
        }
        try await follow(before, actions, id, isWritten: isWritten)
    }

    /// Waits until nothing else happens to a task.
    private func takeTurn(_ id: String) async {
        if turns[id] == nil {
            turns[id] = []
        } else {
            await withCheckedContinuation { turns[id]?.append($0) }
        }
    }

    private func endTurn(_ id: String) {
        if turns[id]?.isEmpty ?? true {
            turns[id] = nil
        } else {
            turns[id]?.removeFirst().resume()
        }
    }

    /// Writes down what has changed, says so, and does what is to be done.
    func follow(
        _ before: TaskMachine?, _ actions: [TaskMachine.Action], _ id: String, isWritten: Bool = false
    ) async throws {
        guard let task = tasks[id] else { return }
        if task.machine.state != before?.state || task.machine.visible != before?.visible {
            let state = task.machine.visible.rawValue
            logger.info("task", metadata: ["task": "\(task.intent.name)", "state": "\(state)"])
            if let before { note(before, task) }
            watchHealth(id)
            changes.signal()
        }
        if task.machine.run != before?.run, !isWritten { await writeRun(id) }
        try await perform(actions, task.intent)
    }

    private func perform(_ actions: [TaskMachine.Action], _ intent: TaskIntent) async throws {
        for action in actions {
            switch action {
            case .prepare: await prepareAgain(intent.id)
            case .launch:
                tasks[intent.id]?.isToStart = true
                // One that isn't met yet is told when it is.
                try tasks[intent.id]?.helper?.send(.start)
            case .tellHelper(let seconds):
                do {
                    try tasks[intent.id]?.helper?.send(.stop(seconds: seconds))
                } catch {
                    // Its end is what is asked for, and is seen by the watch.
                    logger.debug("stop", metadata: ["task": "\(intent.name)", "error": "\(error)"])
                }
                enforce(intent, within: seconds)
            case .settle(let endsLeftovers, let rollback): try await settle(intent, endsLeftovers, rollback)
            case .wake(let time): wake(intent.id, at: time)
            case .remove: try await remove(intent)
            }
        }
    }

    func attempt(_ what: String, _ intent: TaskIntent, _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            logger.error("\(what)", metadata: ["task": "\(intent.name)", "error": "\(error)"])
        }
    }
}
