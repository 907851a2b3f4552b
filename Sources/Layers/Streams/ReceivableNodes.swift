import Linux

extension Tree {
    /// Checks, before anything is sent, that it has no device node that receivers refuse (`DeviceNode`).
    ///
    /// - Parameters:
    ///   - base: what the stream is against; what it has at the same path isn't sent.
    ///   - what: the tree, for the error.
    ///   - remedy: what to do about the node.
    /// - Throws: `PoolError` `.invalid`.
    func requireReceivable(against base: @autoclosure () throws -> Tree?, _ what: String, remedy: String) throws {
        let refused = nodes.indices.filter { nodes[$0].isRefusedDevice }
        if refused.isEmpty { return }
        let paths = TreePaths(self)
        var there: Set<[UInt8]> = []
        if let base = try base() {
            let basePaths = TreePaths(base)
            for index in base.nodes.indices where base.nodes[index].isRefusedDevice { there.insert(basePaths.paths[index]) }
        }
        guard let index = refused.first(where: { !there.contains(paths.paths[$0]) }),
            case .device(let type, let major, let minor) = nodes[index].kind
        else { return }
        let node = DeviceNode(isBlock: type == UInt8(ascii: "b"), major: major, minor: minor)
        throw PoolError(
            .invalid,
            "\(what) has '\(text(paths.paths[index]))', the \(node), and receivers take no devices but \(DeviceNode.harmlessNames); \(remedy)"
        )
    }
}

extension TreeNode {
    /// True if it is a device that comes into no layer (`DeviceNode`).
    var isRefusedDevice: Bool {
        guard case .device(let type, let major, let minor) = kind else { return false }
        return !DeviceNode(isBlock: type == UInt8(ascii: "b"), major: major, minor: minor).isHarmless
    }
}
