import Glibc
import Linux
public import SendStream

extension Tree {
    /// Bytes of large files that a tree with an id of version 1 may have: every one of them was read to make that id.
    private static let mostOlder: UInt64 = 1 << 50

    /// True if an id is that of this tree: by the format's current version; by version 1, in which files had the SHA-256 of their
    /// content, whatever was in it; or with Btrfs' own properties, which were part of ids once. What was stored then keeps its id.
    ///
    /// - Parameters:
    ///   - root: where the tree is.
    ///   - budget: of a tree that was received, the bytes that may be read again; nil for one of the pool.
    /// - Throws: `PoolError` `.tooLarge` when the large files are too large to be read again; the id may be the tree's then.
    public func hasID(_ id: LayerID, root: String, budget: ReceiveBudget? = nil) throws -> Bool {
        try identified(as: id, root: root, budget: budget) != nil
    }

    /// The tree as streams of a layer or snapshot with an id must have it: this one, or one with properties; nil when the id isn't its.
    func identified(as id: LayerID, root: String, budget: ReceiveBudget? = nil) throws -> Tree? {
        if TreeDigest(self).id == id { return self }
        let inner = try TreeReader.read(root, written: WrittenContent(of: self), properties: true)
        let hasProperties = inner.nodes.attributeLists.contains { $0.contains(where: \.isProperty) }
        if hasProperties, TreeDigest(inner).id == id { return inner }
        if let older = try olderTree(id, root, budget), TreeDigest(older).id == id { return self }
        guard hasProperties, let older = try inner.olderTree(id, root, budget), TreeDigest(older).id == id else { return nil }
        return inner
    }

    /// The tree as version 1 had it; nil when that isn't another one.
    private func olderTree(_ id: LayerID, _ root: String, _ budget: ReceiveBudget?) throws -> Tree? {
        var (nodes, isOther, total) = (nodes, false, UInt64(0))
        let paths = TreePaths(self)
        var known: [UInt64: ContentDigest] = [:]
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        for index in nodes.indices {
            guard let (size, content) = nodes.content(index), size >= FileDigest.smallestSparse else { continue }
            let inode = nodes.inode(index)
            var digest = known[inode]
            if digest == nil {
                let path = paths.path(index)
                total = total.saturatingAdd(size)
                guard total <= Self.mostOlder, budget?.reread(size) ?? true else { throw Self.tooLarge(id, text(path), budget) }
                let file = try TreeReader.openFile(path, below: directory.number)
                digest = ContentDigest(try ContentHash.file(file, text(path)))
                known[inode] = digest
            }
            guard let digest, digest != content else { continue }
            nodes.setDigest(digest, at: index)
            isOther = true
        }
        return isOther ? Tree(nodes: nodes) : nil
    }

    private static func tooLarge(_ id: LayerID, _ path: String, _ budget: ReceiveBudget?) -> PoolError {
        let what = "the tree isn't what its id \(id.short) says by this version of the format, and with '\(path)'"
        guard budget != nil else {
            return PoolError(.tooLarge, "\(what) its files are too large to check it by version 1, which would take days")
        }
        return PoolError(
            .tooLarge,
            "\(what) its files are too large to check it by version 1, which no sender makes any more; the stream is damaged, or make the layer or snapshot again where it was made, and send that"
        )
    }
}
