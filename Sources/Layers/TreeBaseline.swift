/// The nodes of a snapshot's source by their inodes, in which what is unchanged is looked up.
struct TreeIndex: Sendable {
    let nodes: [TreeNode]
    fileprivate let byInode: [UInt64: Int]

    init(_ tree: Tree) {
        nodes = tree.nodes
        var byInode: [UInt64: Int] = [:]
        byInode.reserveCapacity(nodes.count)
        for (index, node) in nodes.enumerated() { byInode[node.inode] = index }
        self.byInode = byInode
    }
}

/// The tree of a snapshot's source, and which of its nodes can't be taken as they were.
struct TreeBaseline {
    private let source: TreeIndex
    /// By node: it or something below it has to be read again.
    private let isStale: [Bool]

    /// - Parameter changed: inodes that changed since.
    init(_ source: TreeIndex, changed: Set<UInt64>, latestTime: Int64?) {
        self.source = source
        var isStale = [Bool](repeating: false, count: source.nodes.count)
        var above: [(index: Int, end: Int)] = []
        for (index, node) in source.nodes.enumerated() {
            while let last = above.last, index >= last.end { above.removeLast() }
            if changed.contains(node.inode)
                || latestTime.map({ node.seconds > $0 || node.seconds == $0 && node.nanoseconds > 0 }) == true
            {
                isStale[index] = true
                for directory in above { isStale[directory.index] = true }
            }
            if node.descendants > 0 { above.append((index, index + 1 + node.descendants)) }
        }
        self.isStale = isStale
    }

    /// A node and all below it, when nothing of them changed.
    func unchanged(_ inode: UInt64) -> ArraySlice<TreeNode>? {
        guard let index = source.byInode[inode], !isStale[index] else { return nil }
        return source.nodes[index..<index + 1 + source.nodes[index].descendants]
    }
}
