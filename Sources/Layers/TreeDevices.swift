import CLinux
import Glibc
import Linux

extension Tree {
    /// Takes away the device nodes that no layer may have (`DeviceNode`), on disk too.
    ///
    /// - Parameter root: where the tree is: a root in staging, which nobody else changes.
    /// - Returns: the tree without them, and what they were.
    func withoutDevices(in root: String) throws -> (tree: Tree, leftOut: LeftOutNodes) {
        var leftOut = LeftOutNodes()
        let indices = nodes.refusedDevices()
        if indices.isEmpty { return (self, leftOut) }
        let paths = TreePaths(self)
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        for index in indices {
            let parent = paths.parent(index)
            try Self.remove(nodes[index].name, from: nodes[parent], at: paths.path(parent), directory)
            leftOut.add(text(paths.path(index)))
        }
        return (without(indices, paths), leftOut)
    }

    private static func remove(
        _ name: [UInt8], from parent: TreeNode, at path: [UInt8], _ root: borrowing OwnedFD
    ) throws {
        let opened = try OwnedFD.open(path, below: root.number, O_RDONLY | O_DIRECTORY)
        let directory = opened.number
        try retryingInterrupts("remove device", text(name)) { withPath(name) { unlinkat(directory, $0, 0) } }
        // As if it had never been there.
        let time = timespec(tv_sec: Int(parent.seconds), tv_nsec: Int(parent.nanoseconds))
        try retryingInterrupts("set time of", text(path)) { futimens(directory, [time, time]) }
    }

    private func without(_ indices: [Int], _ paths: TreePaths) -> Tree {
        var lost: [Int: Int] = [:]
        for index in indices {
            var above = index
            repeat {
                above = paths.parent(above)
                lost[above, default: 0] += 1
            } while above != 0
        }
        let gone = Set(indices)
        var (kept, places) = (TreeNodes(like: nodes), [Int: Int]())
        let files = Set(readFiles)
        for index in nodes.indices where !gone.contains(index) {
            if files.contains(index) { places[index] = kept.count }
            if let count = lost[index] {
                var node = nodes[index]
                node.descendants -= count
                kept.append(node)
            } else {
                kept.append(index..<index + 1, of: nodes)
            }
        }
        return Tree(nodes: kept, readFiles: readFiles.compactMap { places[$0] })
    }
}
