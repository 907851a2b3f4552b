import Synchronization

/// The end of what a program prints, whatever it prints: for messages about how it failed.
///
/// It goes with `Command.onOutput`, and a `Command.outputLimit` of 0.
public final class OutputTail: Sendable {
    private let limit: Int
    private let bytes = Mutex<[UInt8]>([])

    /// - Parameter limit: bytes that are kept at least, and twice as many at most.
    public init(limit: Int = 64 << 10) {
        self.limit = limit
    }

    public func add(_ piece: [UInt8]) {
        bytes.withLock { kept in
            kept += piece.suffix(limit)
            if kept.count > 2 * limit { kept.removeFirst(kept.count - limit) }
        }
    }

    /// The last lines.
    public func lines(_ count: Int) -> [Substring] {
        let text = String(decoding: bytes.withLock { $0 }, as: UTF8.self)
        return text.split(separator: "\n", omittingEmptySubsequences: false).suffix(count)
    }
}
