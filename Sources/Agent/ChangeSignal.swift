import Synchronization

/// Wakes whoever waits for something of an actor to change.
final class ChangeSignal: Sendable {
    private struct State {
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        /// Waits that were cancelled before they began.
        var cancelled: Set<Int> = []
        var next = 0
        var observers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// How many wait now.
    var waiting: Int { state.withLock { $0.waiters.count + $0.cancelled.count } }

    func signal() {
        let (waiting, observers) = state.withLock { state in
            defer { state.waiters = [:] }
            return (Array(state.waiters.values), state.observers)
        }
        for waiter in waiting { waiter.resume() }
        for observer in observers { observer() }
    }

    /// Calls a body at each signal from now on.
    func observe(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.observers.append(body) }
    }

    /// Returns after the next signal, or when the time is over.
    ///
    /// It runs on the caller's actor up to the moment it waits: what the caller has seen of the actor's state before the
    /// call can't change unnoticed. Who is no actor gives a condition instead.
    ///
    /// - Parameters:
    ///   - deadline: nil for none.
    ///   - condition: asked once it would hear a signal: whether there is still something to wait for.
    /// - Throws: `CancellationError` when the task that waits was cancelled; nothing of the wait is left then.
    func wait(
        until deadline: ContinuousClock.Instant?, isolation: isolated (any Actor)? = #isolation,
        while condition: () -> Bool = { true }
    ) async throws(CancellationError) {
        let ticket = state.withLock { state in
            state.next += 1
            return state.next
        }
        var timer: Task<Void, any Error>?
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let waits = state.withLock { state in
                    guard state.cancelled.remove(ticket) == nil else { return false }
                    state.waiters[ticket] = waiter
                    return true
                }
                guard waits else { return waiter.resume() }
                guard condition() else { return wake(ticket) }
                // Only now: a timer that is over at once must find somebody to wake.
                guard let deadline else { return }
                timer = Task {
                    try await Task.sleep(until: deadline)
                    wake(ticket)
                }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiters.removeValue(forKey: ticket)
                if waiter == nil { state.cancelled.insert(ticket) }
                return waiter
            }
            waiter?.resume()
        }
        timer?.cancel()
        // One that was cancelled after its end left its number.
        state.withLock { _ = $0.cancelled.remove(ticket) }
        if Task.isCancelled { throw CancellationError() }
    }

    private func wake(_ ticket: Int) { state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume() }
}
