import Registry
import Synchronization

/// What a pull that is under way has told of itself.
final class PullProgress: Sendable {
    struct Values: Sendable {
        var step: String?
        var done: Int64 = 0
        var expected: UInt64 = 0
    }

    private let state = Mutex(Values())

    var values: Values { state.withLock { $0 } }

    func note(_ event: TransferEvent) {
        state.withLock { values in
            switch event {
            case .expecting(let bytes): values.expected = bytes
            case .transferred(let bytes): values.done += Int64(bytes)
            case .step(let text): values.step = text
            case .leftOut(let nodes): values.step = "\(nodes)"
            case .warning(let text): values.step = "warning: \(text)"
            }
        }
    }
}
