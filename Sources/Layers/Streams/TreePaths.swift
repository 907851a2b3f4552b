/// The paths of a tree's nodes, and which of them are names of one file.
struct TreePaths {
    let tree: Tree
    /// By node, without a leading slash; empty for the root.
    let paths: [[UInt8]]
    /// By node: that of the directory it is in; the root's is its own.
    let parents: [Int]
    /// By node: all names of its file in the order of the tree; a node with one name isn't in it.
    private let groups: [UInt64: [Int]]

    init(_ tree: Tree) {
        self.tree = tree
        var paths: [[UInt8]] = []
        var parents: [Int] = []
        var groups: [UInt64: [Int]] = [:]
        paths.reserveCapacity(tree.count)
        parents.reserveCapacity(tree.count)
        var above: [(index: Int, end: Int)] = []
        for (index, node) in tree.nodes.enumerated() {
            while let last = above.last, index >= last.end { above.removeLast() }
            let parent = above.last?.index ?? 0
            parents.append(parent)
            if index == 0 {
                paths.append([])
            } else {
                paths.append(paths[parent].isEmpty ? node.name : paths[parent] + [UInt8(ascii: "/")] + node.name)
            }
            if node.isLinked { groups[node.inode, default: []].append(index) }
            if node.descendants > 0 { above.append((index, index + 1 + node.descendants)) }
        }
        self.paths = paths
        self.parents = parents
        self.groups = groups.filter { $0.value.count > 1 }
    }

    /// All names of a node's file, its own among them, in the order of the tree.
    func names(of index: Int) -> [Int] {
        let node = tree.nodes[index]
        return node.isLinked ? groups[node.inode] ?? [index] : [index]
    }
}
