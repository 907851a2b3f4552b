import Glibc
import Linux
import Synchronization

/// Calls back every half second, on a thread of its own, until it is stopped. Where there can be no more threads it never does.
final class Ticker: Sendable {
    private let isOver = Mutex(false)

    init(_ body: @escaping @Sendable () -> Void) {
        try? startThread { [self] in
            while isOver.withLock({ !$0 }) {
                body()
                usleep(500_000)
            }
        }
    }

    func stop() { isOver.withLock { $0 = true } }
}
