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

    init() {}

    /// That of a tree, of which only names and what belongs to them are read again.
    init(of tree: Tree) {
        files.withLock { files in
            for index in tree.nodes.indices {
                guard let content = tree.nodes.content(index) else { continue }
                files[tree.nodes.inode(index)] = File(size: content.size, digest: content.digest)
            }
        }
    }

    /// One for each thread that writes files.
    func witness() -> any ContentWitness { Witness(self) }

    /// Nil for a file that must be read.
    func digest(of inode: UInt64, size: UInt64) -> ContentDigest? {
        let file = files.withLock { $0[inode] }
        return file?.size == size ? file?.digest : nil
    }

    private final class Witness: ContentWitness {
        private let written: WrittenContent
        private var hash = PlainContentHash()

        init(_ written: WrittenContent) { self.written = written }

        func begin() { hash = PlainContentHash() }

        func add(_ bytes: UnsafeRawBufferPointer) { hash.add(bytes) }

        func addZeros(_ count: UInt64) { hash.addZeros(count) }

        func end(inode: UInt64, size: UInt64) {
            guard let digest = hash.finish() else { return forget(inode: inode) }
            written.files.withLock { $0[inode] = File(size: size, digest: digest) }
        }

        func forget(inode: UInt64) { written.files.withLock { $0[inode] = nil } }
    }
}
