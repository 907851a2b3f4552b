import Glibc
import Synchronization

/// The rate at which work in the background reads content, all its threads together.
public final class ReadPace: Sendable {
    private let state: Mutex<(bytesPerSecond: UInt64, next: ContinuousClock.Instant)>

    /// - Precondition: the rate isn't 0.
    public init(bytesPerSecond: UInt64) {
        precondition(bytesPerSecond > 0)
        state = Mutex((bytesPerSecond, .now))
    }

    /// Changes the rate of what is read from now on.
    public func change(to bytesPerSecond: UInt64) {
        precondition(bytesPerSecond > 0)
        state.withLock { $0.bytesPerSecond = bytesPerSecond }
    }

    /// Waits until what was read is no more than the rate allows.
    ///
    /// - Throws: `CancellationError` when the current work is cancelled meanwhile.
    func wait(afterReading bytes: Int) throws(CancellationError) {
        let end = state.withLock { state in
            // What wasn't read while nothing was to be done isn't made up for.
            state.next = max(state.next, .now) + .nanoseconds(Int64(Double(bytes) / Double(state.bytesPerSecond) * 1e9))
            return state.next
        }
        while true {
            try Cancellation.check()
            let left = end - .now
            guard left > .zero else { return }
            usleep(left > .milliseconds(50) ? 50_000 : UInt32(left / .microseconds(1)) + 1)
        }
    }
}
