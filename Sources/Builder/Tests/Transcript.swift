import Synchronization

/// What a test prints: the end of it, however much it is.
final class Transcript: Sendable {
    /// Bytes.
    private static let limit = 64 << 10
    /// Bytes of each stream of a command that expectations see.
    static let commandLimit = 4 << 20

    private let bytes = Mutex<[UInt8]>([])
    private let onOutput: @Sendable ([UInt8]) -> Void

    init(_ onOutput: @escaping @Sendable ([UInt8]) -> Void) {
        self.onOutput = onOutput
    }

    func append(_ new: [UInt8]) {
        bytes.withLock { bytes in
            bytes += new
            if bytes.count > 2 * Self.limit { bytes.removeFirst(bytes.count - Self.limit) }
        }
        onOutput(new)
    }

    var text: String { String(decoding: bytes.withLock { $0.suffix(Self.limit) }, as: UTF8.self) }
}
