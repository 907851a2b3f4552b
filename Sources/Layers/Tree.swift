import Btrfs
import Linux

/// A root file system's tree: all its nodes, in the order of a walk that visits each directory's entries in
/// ascending order of their bytes and descends at once.
public struct Tree: Sendable {
    /// The root comes first.
    let nodes: [TreeNode]
    /// Regular files whose content was read to make it, each by one of its paths, without a leading slash: all of a whole tree, of a
    /// snapshot's what changed.
    let readFiles: [[UInt8]]

    init(nodes: [TreeNode], readFiles: [[UInt8]] = []) {
        self.nodes = nodes
        self.readFiles = readFiles
    }

    /// Reads a whole tree that nobody changes meanwhile. File content is read on all processors.
    ///
    /// - Parameter latestTime: seconds since 1970; a later modification time is first set to it on
    ///   disk. Nil leaves all as they are.
    public init(of root: String, latestTime: Int64? = nil) throws {
        let (nodes, files) = try TreeReader.readNoting(root, latestTime: latestTime, baseline: nil, written: nil)
        self.init(nodes: nodes, readFiles: files)
    }

    /// The same of a tree that a stream has just made: files whose digests are known aren't read.
    init(of root: String, written: WrittenContent) throws {
        self.init(nodes: try TreeReader.read(root, latestTime: nil, baseline: nil, written: written))
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
        let (nodes, files) = try TreeReader.readNoting(root, latestTime: latestTime, baseline: baseline, written: written)
        self.init(nodes: nodes, readFiles: files)
    }

    /// Reads of a snapshot of a snapshot, and so on, only what changed after a transaction that is none of its source's.
    init(of root: String, changedSince transaction: UInt64, in source: Tree) throws {
        let changed = try Self.changedInodes(in: root, after: transaction)
        let baseline = TreeBaseline(TreeIndex(source), changed: changed, latestTime: nil)
        self.init(nodes: try TreeReader.read(root, latestTime: nil, baseline: baseline, written: nil))
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
        let end = index + 1 + nodes[index].descendants
        return sequence(state: index + 1) { next in
            guard next < end else { return nil }
            defer { next += 1 + nodes[next].descendants }
            return next
        }
    }

    /// Calls `body` with each node and its path, which is empty for the root and else starts with a slash.
    public func forEach(_ body: (_ path: String, _ node: TreeNode) throws -> Void) rethrows {
        var prefixes: [(path: String, end: Int)] = []
        for (index, node) in nodes.enumerated() {
            while let last = prefixes.last, index >= last.end { prefixes.removeLast() }
            let parent = prefixes.last?.path ?? ""
            let path = node.name.isEmpty ? "" : "\(parent)/\(String(decoding: node.name, as: UTF8.self))"
            if node.descendants > 0 { prefixes.append((path, index + 1 + node.descendants)) }
            try body(path, node)
        }
    }
}
