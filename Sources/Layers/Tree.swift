import Btrfs
import Linux

/// A root file system's tree: all its nodes, in the order of a walk that visits each directory's entries in
/// ascending order of their bytes and descends at once.
public struct Tree: Sendable {
    /// The root comes first.
    let nodes: TreeNodes
    /// Nodes of regular files whose content was read to make it, each file once: all of a whole tree, of a snapshot's what changed.
    let readFiles: [Int]

    init(nodes: some Sequence<TreeNode>) { self.init(nodes: TreeNodes(nodes)) }

    init(nodes: TreeNodes, readFiles: [Int] = []) {
        self.nodes = nodes
        self.readFiles = readFiles
    }

    /// Reads a whole tree that nobody changes meanwhile. File content is read on all processors.
    ///
    /// - Parameter latestTime: seconds since 1970; a later modification time is first set to it on
    ///   disk. Nil leaves all as they are.
    public init(of root: String, latestTime: Int64? = nil) throws {
        self = try TreeReader.read(root, latestTime: latestTime)
    }

    /// The same of a tree that a stream has just made: files whose digests are known aren't read.
    init(of root: String, written: WrittenContent) throws {
        self = try TreeReader.read(root, written: written)
    }

    /// Reads of a snapshot only what changed since it was taken, and takes the rest from its source's tree.
    ///
    /// The kernel must have written the changes to its trees: sync the file system first.
    public init(ofSnapshot root: String, of source: Tree, latestTime: Int64? = nil) throws {
        try self.init(ofSnapshot: root, of: TreeIndex(source), latestTime: latestTime)
    }

    init(ofSnapshot root: String, of source: TreeIndex, latestTime: Int64? = nil, written: WrittenContent? = nil) throws {
        let changed = try Self.changedInodes(in: root, after: Subvolume.info(root).creation)
        let baseline = TreeBaseline(source, changed: changed, latestTime: latestTime)
        self = try TreeReader.read(root, latestTime: latestTime, baseline: baseline, written: written)
    }

    /// Reads of a snapshot of a snapshot, and so on, only what changed after a transaction that is none of its source's.
    init(of root: String, changedSince transaction: UInt64, in source: Tree) throws {
        let changed = try Self.changedInodes(in: root, after: transaction)
        let baseline = TreeBaseline(TreeIndex(source), changed: changed, latestTime: nil)
        self = try TreeReader.read(root, baseline: baseline)
    }

    /// - Throws: `TreeTooLarge` when there are more than the current budget has nodes.
    static func changedInodes(in root: String, after transaction: UInt64) throws -> Set<UInt64> {
        var meter = TreeMeter()
        return try Subvolume.inodesChanged(in: root, after: transaction) { try meter.addNodes(1) }
    }

    /// A root with nothing in it, to compare with.
    public static let empty = Tree(nodes: [
        TreeNode(
            name: [], kind: .directory, mode: 0o755, user: 0, group: 0, seconds: 0, nanoseconds: 0, attributes: [],
            inode: 256, isLinked: false)
    ])

    /// Nodes of all types, the root included.
    public var count: Int { nodes.count }

    /// The indices of a directory's entries.
    func children(of index: Int) -> some Sequence<Int> {
        let end = index + 1 + nodes.descendants(index)
        return sequence(state: index + 1) { next in
            guard next < end else { return nil }
            defer { next += 1 + nodes.descendants(next) }
            return next
        }
    }

    /// Calls `body` with each node and its path, which is empty for the root and else starts with a slash.
    public func forEach(_ body: (_ path: String, _ node: TreeNode) throws -> Void) rethrows {
        var path: [UInt8] = []
        // Of the directories above, where they end and how long their paths are.
        var above: [(end: Int, length: Int)] = []
        for index in nodes.indices {
            while let last = above.last, index >= last.end { above.removeLast() }
            path.removeSubrange((above.last?.length ?? 0)...)
            let node = nodes[index]
            if index > 0 { path += [UInt8(ascii: "/")] + node.name }
            if node.descendants > 0 { above.append((index + 1 + node.descendants, path.count)) }
            try body(String(decoding: path, as: UTF8.self), node)
        }
    }
}
