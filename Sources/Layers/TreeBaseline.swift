/// The tree of a snapshot's source, and which of its nodes can't be taken as they were.
struct TreeBaseline {
    private let nodes: [TreeNode]
    /// By node: it or something below it has to be read again.
    private let isStale: [Bool]
    private let byInode: [UInt64: Int]

    /// - Parameter changed: inodes that changed since.
    init(_ nodes: [TreeNode], changed: Set<UInt64>, latestTime: Int64?) {
        self.nodes = nodes
        var isStale = [Bool](repeating: false, count: nodes.count)
        var byInode: [UInt64: Int] = [:]
        byInode.reserveCapacity(nodes.count)
        var above: [(index: Int, end: Int)] = []
        for (index, node) in nodes.enumerated() {
            while let last = above.last, index >= last.end { above.removeLast() }
            if changed.contains(node.inode)
                || latestTime.map({ node.seconds > $0 || node.seconds == $0 && node.nanoseconds > 0 }) == true
            {
                isStale[index] = true
                for directory in above { isStale[directory.index] = true }
            }
            byInode[node.inode] = index
            if node.descendants > 0 { above.append((index, index + 1 + node.descendants)) }
        }
        self.isStale = isStale
        self.byInode = byInode
    }

    /// A node and all below it, when nothing of them changed.
    func unchanged(_ inode: UInt64) -> ArraySlice<TreeNode>? {
        guard let index = byInode[inode], !isStale[index] else { return nil }
        return nodes[index..<index + 1 + nodes[index].descendants]
    }
}
