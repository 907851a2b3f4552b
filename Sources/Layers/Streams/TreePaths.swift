/// The paths of a tree's nodes, and which of them are names of one file. A path is made when it is asked for: those of a deep tree would
/// take far more memory than the tree.
struct TreePaths {
    let tree: Tree
    /// By node: that of the directory it is in; the root's is its own.
    private let above: [UInt32]
    /// By the inodes of files with several names: these in the order of the tree.
    private let groups: [UInt64: [Int]]

    init(_ tree: Tree) {
        self.tree = tree
        var parents: [UInt32] = []
        var groups: [UInt64: [Int]] = [:]
        parents.reserveCapacity(tree.count)
        var above: [(index: Int, end: Int)] = []
        for index in tree.nodes.indices {
            while let last = above.last, index >= last.end { above.removeLast() }
            parents.append(UInt32(above.last?.index ?? 0))
            if tree.nodes.isLinked(index) { groups[tree.nodes.inode(index), default: []].append(index) }
            let descendants = tree.nodes.descendants(index)
            if descendants > 0 { above.append((index, index + 1 + descendants)) }
        }
        self.above = parents
        self.groups = groups.filter { $0.value.count > 1 }
    }

    /// The directory that a node is in; the root's is its own.
    func parent(_ index: Int) -> Int { Int(above[index]) }

    /// Without a leading slash; empty for the root.
    func path(_ index: Int) -> [UInt8] {
        var nodes: [Int] = []
        var length = 0
        var index = index
        while index != 0 {
            nodes.append(index)
            length += tree.nodes.withName(index) { $0.count } + 1
            index = parent(index)
        }
        var path: [UInt8] = []
        path.reserveCapacity(max(0, length - 1))
        for node in nodes.reversed() {
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            tree.nodes.withName(node) { path.append(contentsOf: $0) }
        }
        return path
    }

    /// True if a node is the only name of its file.
    func isAlone(_ index: Int) -> Bool { groups.isEmpty || !tree.nodes.isLinked(index) || groups[tree.nodes.inode(index)] == nil }

    /// All names of a node's file, its own among them, in the order of the tree.
    func names(of index: Int) -> [Int] {
        if groups.isEmpty || !tree.nodes.isLinked(index) { return [index] }
        return groups[tree.nodes.inode(index)] ?? [index]
    }
}

extension Tree {
    /// The nodes at the same paths in another tree and this one; the roots come first.
    func forEachPair(with other: Tree, _ body: (_ other: Int, _ own: Int) throws -> Void) rethrows {
        try body(0, 0)
        var waiting = [(0, 0)]
        while let (otherTop, top) = waiting.popLast() {
            guard other.nodes.isDirectory(otherTop), nodes.isDirectory(top) else { continue }
            let (otherEnd, end) = (otherTop + 1 + other.nodes.descendants(otherTop), top + 1 + nodes.descendants(top))
            var (before, after) = (otherTop + 1, top + 1)
            while before < otherEnd, after < end {
                let order = other.nodes.compareNames(before, nodes, after)
                if order == 0 {
                    try body(before, after)
                    if other.nodes.descendants(before) > 0, nodes.descendants(after) > 0 { waiting.append((before, after)) }
                }
                if order <= 0 { before += 1 + other.nodes.descendants(before) }
                if order >= 0 { after += 1 + nodes.descendants(after) }
            }
        }
    }
}
