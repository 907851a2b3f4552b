import Crypto
import SendStream
import Synchronization

/// The digests of files that a stream made, computed while they were written.
///
/// What the kernel took is what it gives back: reading these files again would hash the same pages a second time.
final class WrittenContent: Sendable {
    private struct File {
        let size: UInt64
        let digest: ContentDigest
    }

    private let files = Mutex<[UInt64: File]>([:])

    /// One for each thread that writes files.
    func witness() -> any ContentWitness { Witness(self) }

    /// Nil for a file that must be read.
    func digest(of inode: UInt64, size: UInt64) -> ContentDigest? {
        let file = files.withLock { $0[inode] }
        return file?.size == size ? file?.digest : nil
    }

    private final class Witness: ContentWitness {
        private let written: WrittenContent
        private var hash = SHA256()

        init(_ written: WrittenContent) { self.written = written }

        func begin() { hash = SHA256() }

        func add(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

        func end(inode: UInt64, size: UInt64) {
            let file = File(size: size, digest: ContentDigest(Array(hash.finalize())))
            written.files.withLock { $0[inode] = file }
        }

        func forget(inode: UInt64) { written.files.withLock { $0[inode] = nil } }
    }
}
