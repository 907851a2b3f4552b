import Synchronization

/// Wakes whoever waits for something of an actor to change.
final class ChangeSignal: Sendable {
    private struct State {
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var next = 0
        var observers: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

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
    /// - Parameter condition: asked once it would hear a signal: whether there is still something to wait for.
    func wait(
        until deadline: ContinuousClock.Instant, isolation: isolated (any Actor)? = #isolation,
        while condition: () -> Bool = { true }
    ) async {
        let ticket = state.withLock { state in
            state.next += 1
            return state.next
        }
        var timer: Task<Void, any Error>?
        await withCheckedContinuation { waiter in
            state.withLock { $0.waiters[ticket] = waiter }
            guard condition() else {
                state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume()
                return
            }
            // Only now: a timer that is over at once must find somebody to wake.
            timer = Task {
                try await Task.sleep(until: deadline)
                state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume()
            }
        }
        timer?.cancel()
    }
}
