/// Files whose user or group no task has: in a task they belong to nobody.
public struct FilesOfOthers: Sendable, Equatable, CustomStringConvertible {
    public let count: Int
    public let first: String
    public let user: UInt32
    public let group: UInt32

    public var description: String {
        "\(count) file\(count == 1 ? " belongs to a user or group" : "s belong to users or groups") above 65535, which tasks don't have; there they belong to nobody (first: '\(first)', \(user):\(group)); give them others where the image is made"
    }
}

extension Tree {
    /// Nil for none.
    public func filesOfOthers() -> FilesOfOthers? {
        let most: UInt32 = 65535
        let indices = nodes.indices.filter { index in
            let owner = nodes.owner(index)
            return owner.user > most || owner.group > most
        }
        guard let first = indices.first else { return nil }
        return FilesOfOthers(
            count: indices.count, first: text(TreePaths(self).path(first)), user: nodes[first].user, group: nodes[first].group)
    }
}
