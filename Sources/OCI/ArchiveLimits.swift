/// How much an archive may unpack to. A few bytes can stand for any number of others; what is beyond these limits is nobody's image.
public struct ArchiveLimits: Sendable, Equatable {
    /// The most bytes of the archive, decompressed.
    public let bytes: UInt64
    /// The most entries, with the directories that no entry names.
    public let entries: Int

    /// The most bytes of directories' paths, which are held in memory.
    let directoryBytes: Int

    static let mostEntries = 10_000_000
    private static let freeDirectoryBytes = 32 << 20

    /// - Parameters:
    ///   - stored: bytes of the archive as it is stored.
    ///   - room: bytes that there is room for.
    public init(stored: UInt64, room: UInt64) {
        let bytes = min(stored, 1 << 50) * 256 + 8 << 30
        self.bytes = min(bytes, room)
        entries = Int(min(stored, 1 << 40) / 16) + 500_000
        directoryBytes = Self.freeDirectoryBytes + Int(min(stored, 112 << 20)) * 2
    }

    /// Those of bytes, and few of entries.
    init(bytes: UInt64, entries: Int = Self.mostEntries) {
        (self.bytes, self.entries, directoryBytes) = (bytes, entries, Self.freeDirectoryBytes)
    }
}
