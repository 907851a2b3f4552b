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
        let indices = nodes.indices.filter { nodes[$0].isRefusedDevice }
        if indices.isEmpty { return (self, leftOut) }
        let paths = TreePaths(self)
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        for index in indices {
            try Self.remove(
                nodes[index].name, from: nodes[paths.parents[index]], at: paths.paths[paths.parents[index]], directory)
            leftOut.add(text(paths.paths[index]))
        }
        return (without(indices, paths), leftOut)
    }

    private static func remove(
        _ name: [UInt8], from parent: TreeNode, at path: [UInt8], _ root: borrowing OwnedFD
    ) throws {
        var how = open_how()
        how.flags = UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        let number = root.number
        let opened = OwnedFD(
            adopting: try retryingInterrupts("open directory", text(path)) {
                withPath(path.isEmpty ? [UInt8(ascii: ".")] : path) { dish_openat2(number, $0, &how) }
            })
        let directory = opened.number
        try retryingInterrupts("remove device", text(name)) { withPath(name) { unlinkat(directory, $0, 0) } }
        // As if it had never been there.
        let time = timespec(tv_sec: Int(parent.seconds), tv_nsec: Int(parent.nanoseconds))
        try retryingInterrupts("set time of", text(path)) { futimens(directory, [time, time]) }
    }

    private func without(_ indices: [Int], _ paths: TreePaths) -> Tree {
        var (nodes, isGone) = (nodes, [Bool](repeating: false, count: nodes.count))
        for index in indices {
            isGone[index] = true
            var above = index
            repeat {
                above = paths.parents[above]
                nodes[above].descendants -= 1
            } while above != 0
        }
        return Tree(nodes: zip(nodes, isGone).filter { !$1 }.map(\.0), readFiles: readFiles)
    }
}
