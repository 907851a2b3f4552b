import AgentAPI
import Linux
import TaskHelper

extension TaskMachine.End: CustomStringConvertible {
    /// Whether it is what `on-failure` speaks of.
    var isFailure: Bool {
        switch self {
        case .failed: true
        case .exited(let record): record.status != .code(0) || record.message != nil
        }
    }

    var description: String {
        switch self {
        case .failed(let reason): return reason
        case .exited(let record):
            if let message = record.message { return message }
            let cause = record.outOfMemory ? "; it ran out of memory" : ""
            switch record.status {
            case .code(let code): return "it exited with \(code)\(cause)"
            case .signal(let number): return "signal \(number) ended it\(cause)"
            }
        }
    }
}

extension TaskMachine.Event {
    /// True if somebody asked for it: it can be refused.
    var isAsked: Bool {
        switch self {
        case .start, .stop, .restart, .rollBack, .remove: true
        default: false
        }
    }

    /// True if it means nothing for a task that is to be removed.
    var isOvertakenByRemoval: Bool {
        switch self {
        case .start, .stop, .restart, .rollBack: true
        default: false
        }
    }
}

extension TaskMachine {
    /// As clients see it.
    var visible: TaskStatus.State {
        switch state {
        case .preparing: .preparing
        case .alive where run.wish != .run: .stopping
        case .alive(nil): .starting
        case .alive(let record?):
            switch record.phase {
            case .starting: .starting
            case .running: .running
            case .stopping: .stopping
            }
        case .settling(_, .start), .settling(_, .restart), .waiting: .restarting
        case .settling(.exited, _), .ended(.exited), .removing(.exited): .exited
        case .settling(.failed, _), .ended(.failed), .removing(.failed): .failed
        }
    }

    var record: RunningRecord? {
        if case .alive(let record) = state { return record }
        return nil
    }

    /// What a helper that is met only now must be told: to end, within so many seconds.
    ///
    /// - Parameter now: of the clock of events: what has passed since it was asked for is no part of it.
    func stop(at now: Int64) -> UInt32? {
        guard case .alive = state, let asked = run.stop else { return nil }
        return run.stopBy.map { min(asked, UInt32(clamping: max(0, $0 - now + 999) / 1000)) } ?? asked
    }

    /// How its last run ended; nil while one is under way.
    var end: End? {
        switch state {
        case .preparing, .alive: nil
        case .settling(let end, _), .waiting(let end, _), .ended(let end), .removing(let end): end
        }
    }

    var exit: ExitRecord? {
        switch end {
        case .exited(let record): record
        case .failed: lastExit
        case nil: nil
        }
    }

    var reason: String? {
        if case .failed(let reason) = end { return reason }
        return run.reason ?? exit?.message
    }

    /// Whether a helper has it, or one is being started.
    var isUnderWay: Bool { end == nil }

    var isRemoving: Bool {
        if case .removing = state { return true }
        return false
    }

    /// Whether it is at rest, neither running nor about to.
    var isAtRest: Bool {
        if case .ended = state { return true }
        return false
    }
}
