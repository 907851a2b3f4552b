import Linux

extension Tree {
    /// The most bytes of a path that a stream can have: an attribute's length has 16 bits.
    private static let longestPath = Int(UInt16.max)

    /// Checks, before anything is sent, that it has no device node that receivers refuse (`DeviceNode`), and no path that is too long for a
    /// stream.
    ///
    /// - Parameters:
    ///   - base: what the stream is against; what it has at the same path isn't sent.
    ///   - what: the tree, for the error.
    ///   - remedy: what to do about the node.
    /// - Throws: `PoolError` `.invalid`.
    func requireReceivable(against base: @autoclosure () throws -> Tree?, _ what: String, remedy: String) throws {
        try requireShortPaths(what)
        let refused = nodes.refusedDevices()
        if refused.isEmpty { return }
        let paths = TreePaths(self)
        var there: Set<[UInt8]> = []
        if let base = try base() {
            let basePaths = TreePaths(base)
            for index in base.nodes.refusedDevices() { there.insert(basePaths.path(index)) }
        }
        guard let index = refused.first(where: { !there.contains(paths.path($0)) }),
            case .device(let type, let major, let minor) = nodes[index].kind
        else { return }
        let node = DeviceNode(isBlock: type == UInt8(ascii: "b"), major: major, minor: minor)
        throw PoolError(
            .invalid,
            "\(what) has '\(text(paths.path(index)))', the \(node), and receivers take no devices but \(DeviceNode.harmlessNames); \(remedy)"
        )
    }
}

extension Tree {
    private func requireShortPaths(_ what: String) throws {
        // The ends of the directories above, and the lengths of their paths.
        var above: [(end: Int, length: Int)] = []
        for index in nodes.indices.dropFirst() {
            while let last = above.last, index >= last.end { above.removeLast() }
            let length = (above.last.map { $0.length + 1 } ?? 0) + nodes.withName(index) { $0.count }
            guard length <= Self.longestPath else {
                throw PoolError(
                    .invalid,
                    "\(what) has '\(shortened(TreePaths(self).path(index)))', a path of \(length) bytes, and a stream can have \(Self.longestPath) at most; move what is there to a shorter path, then send what that makes"
                )
            }
            let descendants = nodes.descendants(index)
            if descendants > 0 { above.append((index + 1 + descendants, length)) }
        }
    }
}

extension TreeNodes {
    /// The devices that come into no layer.
    func refusedDevices() -> [Int] {
        indices.filter { index in
            let type = type(index)
            return (type == UInt8(ascii: "c") || type == UInt8(ascii: "b")) && self[index].isRefusedDevice
        }
    }
}

extension TreeNode {
    /// True if it is a device that comes into no layer (`DeviceNode`).
    var isRefusedDevice: Bool {
        guard case .device(let type, let major, let minor) = kind else { return false }
        return !DeviceNode(isBlock: type == UInt8(ascii: "b"), major: major, minor: minor).isHarmless
    }
}
