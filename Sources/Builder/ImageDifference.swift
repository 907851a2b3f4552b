public import Layers

/// How two images differ: their files, and what those mean.
public struct ImageDifference: Sendable, Codable {
    /// Something with a name and a value.
    public struct Entry: Sendable, Codable, Equatable {
        public let name: String
        /// Nil when it isn't in the first image.
        public let before: String?
        /// Nil when it isn't in the second.
        public let after: String?
    }

    public let from: LayerID?
    public let to: LayerID
    public let files: [TreeChange]
    /// Versions.
    public let packages: [Entry]
    public let users: [Entry]
    public let groups: [Entry]
    /// Paths of systemd units, of their drop-ins and of what enables them.
    public let units: [TreeChange]
    /// Bytes of all files.
    public let oldSize: Int64
    public let newSize: Int64

    /// - Parameter old: nil to compare with nothing.
    public init(from old: Layer?, to new: Layer, in pool: Pool) throws {
        from = old?.id
        to = new.id
        oldSize = old?.size ?? 0
        newSize = new.size
        files = try pool.tree(of: new.id).changes(from: old.map { try pool.tree(of: $0.id) } ?? .empty)
        units = files.filter { change in
            ["/etc/systemd/system/", "/usr/lib/systemd/system/", "/usr/local/lib/systemd/system/"]
                .contains { change.path.hasPrefix($0) }
        }
        let before = try old.map { try ImageContents(root: pool.root(of: $0.id)) }
        let after = try ImageContents(root: pool.root(of: new.id))
        packages = Self.compare(before?.packages, after.packages)
        users = Self.compare(before?.users, after.users)
        groups = Self.compare(before?.groups, after.groups)
    }

    private static func compare(_ old: [String: String]?, _ new: [String: String]) -> [Entry] {
        Set(new.keys).union(old?.keys.map { $0 } ?? []).sorted().compactMap { name in
            let (before, after) = (old?[name], new[name])
            return before == after ? nil : Entry(name: name, before: before, after: after)
        }
    }
}
