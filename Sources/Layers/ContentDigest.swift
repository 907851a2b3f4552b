/// A SHA-256 as a plain value: trees hold tens of thousands of them.
public struct ContentDigest: Sendable, Hashable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// - Precondition: there are 32 bytes.
    init(_ bytes: some Collection<UInt8>) {
        precondition(bytes.count == 32)
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    }

    /// The digest of nothing that was read yet.
    init() {}

    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: words, body)
    }

    public static func == (left: ContentDigest, right: ContentDigest) -> Bool { left.words == right.words }

    /// An order, whichever.
    static func < (left: ContentDigest, right: ContentDigest) -> Bool { left.words < right.words }

    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
