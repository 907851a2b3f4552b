import AgentAPI
import TaskHelper

/// The life of one task as a pure function: events in, actions out (docs/architecture.md, "The task manager").
struct TaskMachine: Sendable, Equatable {
    enum State: Sendable, Equatable {
        /// Snapshot, quota and network are being made.
        case preparing(isStopRequested: Bool)
        /// A helper has been told to start it; what it said last, and within how many seconds it has been asked to end.
        case alive(RunningRecord?, stop: UInt32?)
        case exited(ExitRecord)
        case failed(String)
        /// Being taken away.
        case removing(State.End)

        /// How it ended, kept while it is taken away.
        enum End: Sendable, Equatable {
            case exited(ExitRecord)
            case failed(String)
        }
    }

    enum Event: Sendable {
        /// Everything that the container needs is there, and a helper waits for the word.
        case prepared
        /// Something that was being done for it went wrong.
        case failed(String)
        case helper(RunningRecord)
        case exited(ExitRecord)
        /// The helper is gone and has left no record.
        case helperLost
        /// Asked for by a client: seconds until it is killed.
        case stop(seconds: UInt32)
        case remove
    }

    enum Action: Sendable, Equatable {
        /// Tell the helper to start the container.
        case launch
        case tellHelper(stop: UInt32)
        /// End what may still run of it.
        case killLeftovers
        /// Give back what only a running task needs: its network.
        case release
        /// Take everything of it away.
        case remove
    }

    private(set) var state: State
    /// Whether it is taken away when it ends.
    let removesWhenDone: Bool

    init(_ state: State = .preparing(isStopRequested: false), removesWhenDone: Bool) {
        self.state = state
        self.removesWhenDone = removesWhenDone
    }

    mutating func handle(_ event: Event) -> [Action] {
        switch (state, event) {
        case (.preparing(isStopRequested: false), .prepared):
            state = .alive(nil, stop: nil)
            return [.launch]
        case (.preparing(isStopRequested: true), .prepared):
            return end(.failed("it was stopped before it started"), [.killLeftovers, .release])
        case (.preparing, .stop):
            state = .preparing(isStopRequested: true)
            return []
        case (.preparing, .failed(let reason)):
            return end(.failed(reason), [.killLeftovers, .release])
        case (.alive(_, let stop), .helper(let record)):
            state = .alive(record, stop: stop)
            return []
        case (.alive(let record, let stop), .stop(let seconds)):
            // As the helper has it: the earliest end counts.
            state = .alive(record, stop: min(stop ?? seconds, seconds))
            return [.tellHelper(stop: seconds)]
        case (.preparing, .exited(let record)), (.alive, .exited(let record)):
            return end(.exited(record), [.release])
        case (.alive, .helperLost):
            return end(.failed("its helper ended without a record of how"), [.killLeftovers, .release])
        case (.alive, .failed(let reason)):
            return end(.failed(reason), [.killLeftovers, .release])
        case (.exited(let record), .remove):
            state = .removing(.exited(record))
            return [.remove]
        case (.failed(let reason), .remove):
            state = .removing(.failed(reason))
            return [.remove]
        case (.removing(let end), .failed):
            // It can be tried again.
            state = Self.ended(end)
            return []
        case (.preparing, _), (.alive, _), (.exited, _), (.failed, _), (.removing, _):
            return []
        }
    }

    private mutating func end(_ end: State.End, _ actions: [Action]) -> [Action] {
        guard removesWhenDone else {
            state = Self.ended(end)
            return actions
        }
        state = .removing(end)
        return actions + [.remove]
    }

    private static func ended(_ end: State.End) -> State {
        switch end {
        case .exited(let record): .exited(record)
        case .failed(let reason): .failed(reason)
        }
    }

    /// As clients see it.
    var visible: TaskStatus.State {
        switch state {
        case .preparing: .preparing
        case .alive(_, .some): .stopping
        case .alive(nil, _): .starting
        case .alive(let record?, _):
            switch record.phase {
            case .starting: .starting
            case .running: .running
            case .stopping: .stopping
            }
        case .exited, .removing(.exited): .exited
        case .failed, .removing(.failed): .failed
        }
    }

    var record: RunningRecord? {
        if case .alive(let record, _) = state { return record }
        return nil
    }

    /// What a helper that is met only now must be told: to end, within so many seconds.
    var stop: UInt32? {
        if case .alive(_, let stop) = state { return stop }
        return nil
    }

    var exit: ExitRecord? {
        switch state {
        case .exited(let record), .removing(.exited(let record)): record
        default: nil
        }
    }

    var reason: String? {
        switch state {
        case .failed(let reason), .removing(.failed(let reason)): reason
        default: exit?.message
        }
    }

    var isRemoving: Bool {
        if case .removing = state { return true }
        return false
    }
}
