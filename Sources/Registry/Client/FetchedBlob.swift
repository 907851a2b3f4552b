import Glibc
import Linux
import OCI

/// A fetched blob, open: others may use the same blob and remove it from the cache when they have done so.
final class FetchedBlob: Sendable {
    let file: OwnedFD
    let size: UInt64
    let path: String

    init(_ path: String) throws {
        let opened = try BlobFile(path)
        size = opened.size
        file = try opened.descriptor.reopened(path, O_RDONLY)
        self.path = path
    }

    /// As `Compression.read`.
    func read<Result: Sendable>(
        _ compression: Compression, _ body: @escaping @Sendable (CInt) throws -> Result
    ) async throws -> Result {
        try await compression.read(file.duplicate(), path, body)
    }
}

extension Repository {
    /// Fetches a blob, as `fetch`, and opens it.
    func open(
        _ blob: Descriptor, in cache: BlobCache, progress: @escaping @Sendable (Int) -> Void
    ) async throws -> FetchedBlob {
        var attempt = 1
        while true {
            do {
                return try FetchedBlob(await fetch(blob, into: cache, progress: progress))
            } catch let error as SystemError where error.code == ENOENT && attempt < 20 {
                // Somebody else has used it and removed it since.
                attempt += 1
            }
        }
    }
}
