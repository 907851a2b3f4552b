/// The nodes of a snapshot's source by their inodes, in which what is unchanged is looked up.
struct TreeIndex: Sendable {
    let nodes: TreeNodes
    /// All nodes, sorted by their inodes.
    private let order: [UInt32]

    init(_ tree: Tree) {
        // Nodes taken from it are as they are read now.
        let nodes = tree.nodes.withoutProperties()
        let inodes = nodes.indices.map { nodes.inode($0) }
        self.nodes = nodes
        order = (0..<UInt32(nodes.count)).sorted { inodes[Int($0)] < inodes[Int($1)] }
    }

    /// The last node with an inode: a file may have several names.
    fileprivate func node(_ inode: UInt64) -> Int? {
        var range = order.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if nodes.inode(Int(order[middle])) <= inode {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        guard range.lowerBound > 0 else { return nil }
        let node = Int(order[range.lowerBound - 1])
        return nodes.inode(node) == inode ? node : nil
    }
}

/// The tree of a snapshot's source, and which of its nodes can't be taken as they were.
struct TreeBaseline {
    private let source: TreeIndex
    /// By node: it or something below it has to be read again.
    private let isStale: [Bool]

    var nodes: TreeNodes { source.nodes }

    /// - Parameter changed: inodes that changed since.
    init(_ source: TreeIndex, changed: Set<UInt64>, latestTime: Int64?) {
        self.source = source
        let nodes = source.nodes
        func isTooLate(_ index: Int) -> Bool {
            guard let latestTime else { return false }
            let time = nodes.time(index)
            return time.seconds > latestTime || time.seconds == latestTime && time.nanoseconds > 0
        }
        var isStale = [Bool](repeating: false, count: nodes.count)
        var above: [(index: Int, end: Int)] = []
        for index in nodes.indices {
            while let last = above.last, index >= last.end { above.removeLast() }
            if changed.contains(nodes.inode(index)) || isTooLate(index) {
                isStale[index] = true
                // Those above one that is stale are, too.
                for directory in above.reversed() {
                    if isStale[directory.index] { break }
                    isStale[directory.index] = true
                }
            }
            let descendants = nodes.descendants(index)
            if descendants > 0 { above.append((index, index + 1 + descendants)) }
        }
        self.isStale = isStale
    }

    /// A node and all below it, when nothing of them changed.
    func unchanged(_ inode: UInt64) -> Range<Int>? {
        guard let index = source.node(inode), !isStale[index] else { return nil }
        return index..<index + 1 + source.nodes.descendants(index)
    }
}

extension TreeNodes {
    /// The same without Btrfs' own properties among the attributes.
    fileprivate func withoutProperties() -> TreeNodes {
        guard attributeLists.contains(where: { $0.contains(where: \.isProperty) }) else { return self }
        return TreeNodes(
            lazy.map { node in
                var node = node
                node.attributes.removeAll(where: \.isProperty)
                return node
            })
    }
}
