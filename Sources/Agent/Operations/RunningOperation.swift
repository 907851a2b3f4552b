import AgentAPI
import Spec
import Synchronization

/// An operation as those see it who carry it out: they say how far it is, and whether it can be cancelled.
final class RunningOperation: Sendable {
    /// What the current task carries out; nil where the agent acts by itself.
    @TaskLocal static var current: RunningOperation?

    private struct State {
        var status: OperationStatus
        /// Brings about that it hasn't happened; nil when that can't be.
        var undo: (@Sendable () async throws -> Void)?
        /// Who cancelled it.
        var canceller: String?
        /// Whether that is being brought about: it may yet fail.
        var isUndoing = false
    }

    private let state: Mutex<State>
    private let changes = ChangeSignal()

    init(_ status: OperationStatus) { state = Mutex(State(status: status)) }

    var status: OperationStatus {
        state.withLock { state in
            var status = state.status
            status.canCancel = state.undo != nil
            return status
        }
    }

    // MARK: For those who carry it out

    /// Says what it is doing.
    func note(_ step: String, _ progress: OperationStatus.Progress? = nil) {
        state.withLock { ($0.status.step, $0.status.progress) = (step, progress) }
    }

    /// Says what it is about, once that has a name.
    func concerns(_ target: String) { state.withLock { $0.status.target = target } }

    /// From now on it can be cancelled, by that.
    func allowCancelling(_ undo: @escaping @Sendable () async throws -> Void) {
        state.withLock { state in
            if state.canceller == nil { state.undo = undo }
        }
    }

    /// From now on it can't be cancelled any more.
    ///
    /// - Throws: `AgentError` when it has been.
    func commit() async throws(AgentError) { try await decide(commits: true) }

    /// - Throws: `AgentError` when it has been cancelled.
    func checkCancellation() async throws(AgentError) { try await decide(commits: false) }

    /// Where somebody is about to cancel it, waits until that is done, or has failed.
    private func decide(commits: Bool) async throws(AgentError) {
        while true {
            let (isOpen, cancellation) = state.withLock { state in
                if commits, !state.isUndoing { state.undo = nil }
                return (state.isUndoing, Self.cancellation(state))
            }
            if isOpen {
                do {
                    try await changes.wait(until: .now + .seconds(60)) { state.withLock { $0.isUndoing } }
                } catch {
                    throw AgentError(of: error)
                }
            } else if let cancellation {
                throw cancellation
            } else {
                return
            }
        }
    }

    /// What whoever waits for it is told once it has been cancelled.
    var cancellation: AgentError? { state.withLock { Self.cancellation($0) } }

    private static func cancellation(_ state: State) -> AgentError? {
        state.canceller.map { AgentError(.conflict, "the operation \(state.status.id) was cancelled by \($0)") }
    }

    // MARK: For those who look after it

    /// Has it cancelled; once more is no error. It has ended when whoever carries it out has noticed.
    func cancel(by caller: String) async throws {
        let undo: (@Sendable () async throws -> Void)? = try state.withLock { state in
            if state.canceller != nil { return nil }
            guard let undo = state.undo else { throw Self.refusal(state.status) }
            (state.canceller, state.undo, state.status.state) = (caller, nil, .cancelling)
            state.isUndoing = true
            return undo
        }
        guard let undo else { return }
        do {
            try await undo()
        } catch {
            // It goes on as if nobody had asked.
            state.withLock { state in
                (state.canceller, state.isUndoing) = (nil, false)
                if !state.status.state.hasEnded { (state.undo, state.status.state) = (undo, .running) }
            }
            changes.signal()
            throw error
        }
        state.withLock { $0.isUndoing = false }
        changes.signal()
    }

    /// - Parameter error: nil when it was done.
    func end(_ error: AgentError?, result: JSONValue?, at time: Int64) {
        state.withLock { state in
            let isCancelled = state.canceller != nil && error != nil
            state.status.state = isCancelled ? .cancelled : error == nil ? .done : .failed
            (state.status.error, state.status.result, state.status.ended) = (error, result, time)
            state.undo = nil
        }
        changes.signal()
    }

    /// Returns once it has ended, or the time is over.
    func wait(until deadline: ContinuousClock.Instant) async throws(CancellationError) {
        while !status.state.hasEnded, ContinuousClock.now < deadline {
            try await changes.wait(until: deadline) { !status.state.hasEnded }
        }
    }

    private static func refusal(_ status: OperationStatus) -> AgentError {
        if status.state.hasEnded {
            return AgentError(.conflict, "the operation \(status.id) has ended: it is \(status.state.rawValue)")
        }
        let why =
            switch status.kind {
            case .taskStop: "the task has been told to end; start it again when it has: dish start"
            case .taskRestart, .taskRollback: "the task has been told to end, and is started again in any case"
            case .taskRemove, .jobRemove: "what has been removed so far can't come back"
            default: "it has come too far; wait for its end"
            }
        return AgentError(.conflict, "the operation \(status.id) can't be cancelled: \(why)")
    }
}
