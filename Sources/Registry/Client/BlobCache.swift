import Crypto
import Glibc
public import Layers
import Linux
public import OCI

/// Fetched blobs of a pool, by digest: whole ones under their digest, others with `.partial` after it.
public struct BlobCache: Sendable {
    public let directory: String

    public init(_ pool: Pool) throws {
        try self.init(directory: "\(pool.cache)/blobs")
    }

    init(directory: String) throws {
        self.directory = directory
        try Files.makeDirectories(directory, mode: 0o700)
    }

    func path(of digest: BlobDigest) -> String { "\(directory)/\(digest.hex)" }

    /// What is done with a blob is done by one process at a time.
    func lock(_ digest: BlobDigest) async throws -> BlobLock {
        let path = path(of: digest) + ".lock"
        return try await blocking { BlobLock(try FileLock(waitingFor: path), path) }
    }

    /// Removes a blob that has been used.
    public func remove(_ digest: BlobDigest) {
        unlink(path(of: digest))
    }
}

/// Held while a blob is being fetched.
final class BlobLock: Sendable {
    private let lock: FileLock
    private let path: String

    init(_ lock: consuming FileLock, _ path: String) {
        self.lock = lock
        self.path = path
    }

    deinit { unlink(path) }
}

/// A blob on its way into the cache: counted and hashed as it arrives.
final class PartialBlob: @unchecked Sendable {
    // Unchecked: one attempt at a time writes it.
    private let path: String
    private let target: String
    private let descriptor: Descriptor
    private let file: OwnedFD
    private var hash = SHA256()
    private(set) var count: UInt64 = 0

    /// Continues what an earlier process left.
    init(_ descriptor: Descriptor, in cache: BlobCache) throws {
        target = cache.path(of: descriptor.digest)
        path = target + ".partial"
        self.descriptor = descriptor
        file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 4096)
        defer { buffer.deallocate() }
        let number = file.number
        while true {
            try Cancellation.check()
            let read = try retryingInterrupts("read", path) { Glibc.read(number, buffer.baseAddress, buffer.count) }
            if read == 0 { break }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<read]))
            count += UInt64(read)
        }
        if count > descriptor.size { try restart() }
    }

    func restart() throws {
        let number = file.number
        try retryingInterrupts("truncate", path) { ftruncate(number, 0) }
        lseek(number, 0, SEEK_SET)
        hash = SHA256()
        count = 0
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        guard count + UInt64(bytes.count) <= descriptor.size else {
            throw RegistryError(.damaged, "more bytes than the \(descriptor.size) that the blob \(descriptor.digest.short) has")
        }
        hash.update(bufferPointer: bytes)
        try Files.write(bytes, to: file.number, path)
        count += UInt64(bytes.count)
    }

    var isWhole: Bool { count == descriptor.size }

    /// Gives the blob its name.
    ///
    /// - Returns: false when it isn't what its digest says; it is empty again then.
    func finish() throws -> Bool {
        guard BlobDigest(hash.finalize()) == descriptor.digest else {
            try restart()
            return false
        }
        try retryingInterrupts("rename", path) { rename(path, target) }
        return true
    }
}
