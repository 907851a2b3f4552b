import CLinux
import Glibc
import Linux
import OCI

/// Blobs that are at hand, or small enough to be.
extension Repository {
    /// Stores a blob's bytes.
    func store(_ descriptor: Descriptor, bytes: [UInt8]) async throws {
        let file = OwnedFD(adopting: try retryingInterrupts("create memory file") { dish_memory_file("blob") })
        try Files.write(bytes, to: file.number, "memory file")
        try await store(descriptor, from: "/proc/\(getpid())/fd/\(file.number)") { _ in }
        _ = consume file
    }

    /// A blob's bytes, checked.
    func read(_ descriptor: Descriptor) async throws -> [UInt8] {
        guard descriptor.size <= OCIJSON.limit else {
            throw RegistryError(
                .damaged, "the blob \(descriptor.digest.short) of \(name) has \(descriptor.size) bytes where a short one belongs")
        }
        let bytes = try await bytes(of: descriptor)
        guard BlobDigest(of: bytes) == descriptor.digest else {
            throw RegistryError(.damaged, "the blob \(descriptor.digest.short) of \(name) isn't what its digest says")
        }
        return bytes
    }
}
