import CLinux
import Glibc
import Linux

extension Tree {
    /// Bytes of large files that are read again to check an id of version 1.
    private static let olderLimit: UInt64 = 16 << 30

    /// Whether an id is that of this tree: by the format's current version, or by version 1, in which files had the SHA-256 of their
    /// content, whatever was in it. What was stored then keeps its id.
    ///
    /// - Parameter root: where the tree is.
    public func hasID(_ id: LayerID, root: String) throws -> Bool {
        if TreeDigest(self).id == id { return true }
        guard let older = try olderTree(root: root) else { return false }
        return TreeDigest(older).id == id
    }

    /// The tree as version 1 had it; nil when that isn't another one, or when it would take too long to learn.
    private func olderTree(root: String) throws -> Tree? {
        var (nodes, total, isOther) = (nodes, UInt64(0), false)
        let paths = TreePaths(self)
        var known: [UInt64: ContentDigest] = [:]
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let number = directory.number
        for (index, node) in nodes.enumerated() {
            guard case .file(let size, let content) = node.kind, size >= FileDigest.smallestSparse else { continue }
            var digest = known[node.inode]
            if digest == nil {
                total = total.saturatingAdd(size)
                guard total <= Self.olderLimit else { return nil }
                let path = paths.paths[index]
                var how = open_how()
                how.flags = UInt64(O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
                let opened = try retryingInterrupts("open", text(path)) { withPath(path) { dish_openat2(number, $0, &how) } }
                digest = ContentDigest(try ContentHash.file(OwnedFD(adopting: opened), text(path)))
                known[node.inode] = digest
            }
            guard let digest, digest != content else { continue }
            nodes[index].kind = .file(size: size, content: digest)
            isOther = true
        }
        return isOther ? Tree(nodes: nodes) : nil
    }
}
