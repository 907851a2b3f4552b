import Crypto
import Glibc
import Linux

/// The bytes of an archive, read in one pass, counted and hashed.
struct ArchiveInput: ~Copyable {
    private let descriptor: CInt
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 4096)
    private var filled = 0
    private var consumed = 0
    private var hash = SHA256()
    /// Of all that was read so far.
    private(set) var count: UInt64 = 0
    private let limit: UInt64
    /// Bytes that count as read, though they aren't in the archive.
    private var charged: UInt64 = 0

    /// - Parameters:
    ///   - descriptor: a file or a pipe, which the caller keeps open.
    ///   - limit: the most bytes there may be.
    init(_ descriptor: CInt, limit: UInt64) {
        self.descriptor = descriptor
        self.limit = limit
    }

    deinit { buffer.deallocate() }

    /// Gives the next bytes, as many as are at hand.
    ///
    /// - Parameter most: so many are taken at most.
    /// - Returns: how many there were; 0 at the end.
    mutating func next(_ most: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
        if consumed == filled {
            try fill()
            if filled == 0 { return 0 }
        }
        let taken = min(most, filled - consumed)
        try body(UnsafeRawBufferPointer(rebasing: buffer[consumed..<consumed + taken]))
        consumed += taken
        return taken
    }

    /// Exactly so many bytes; fewer only at the end.
    mutating func read(_ wanted: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(wanted)
        while bytes.count < wanted {
            if try next(wanted - bytes.count, { bytes.append(contentsOf: $0) }) == 0 { break }
        }
        return bytes
    }

    /// The digest of everything, which is read to its end.
    mutating func finish() throws -> BlobDigest {
        while try next(.max, { _ in }) > 0 {}
        return BlobDigest(hash.finalize())
    }

    private mutating func fill() throws {
        try Cancellation.check()
        let (descriptor, buffer) = (descriptor, buffer)
        filled = try retryingInterrupts("read", "archive") { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
        consumed = 0
        count += UInt64(filled)
        try checkLimit()
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<filled]))
    }

    /// Counts what costs its reader as much as that many further bytes of the archive.
    mutating func charge(_ bytes: UInt64) throws {
        let (sum, overflow) = charged.addingReportingOverflow(bytes)
        charged = overflow ? .max : sum
        try checkLimit()
    }

    private func checkLimit() throws {
        guard count <= limit, charged <= limit - count else {
            throw OCIError(
                .hostile,
                "it unpacks to more than \(limit >> 20) MiB, which is nine tenths of what the pool has free, or far more than an archive of its size has in it"
            )
        }
    }
}
