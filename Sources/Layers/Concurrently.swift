import Dispatch
import Linux
import Synchronization

/// Does two things at the same time, on two threads, and returns when both are done.
func concurrently<First: Sendable, Second: Sendable>(
    _ first: @Sendable () throws -> First, _ second: @Sendable () throws -> Second
) throws -> (First, Second) {
    let results = Mutex<(first: Result<First, any Error>?, second: Result<Second, any Error>?)>((nil, nil))
    let cancellation = Cancellation.current
    DispatchQueue.concurrentPerform(iterations: 2) { index in
        Cancellation.joining(cancellation) {
            if index == 0 {
                let result = Result { try first() }
                results.withLock { $0.first = result }
            } else {
                let result = Result { try second() }
                results.withLock { $0.second = result }
            }
        }
    }
    return try results.withLock { (try $0.first!.get(), try $0.second!.get()) }
}
