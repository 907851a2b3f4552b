import Btrfs
import Linux

/// Who holds what in a pool, as it was when all trees were last read: what `dish pool usage` answers from (docs/accounting.md).
public struct UsageIndex: Sendable, Codable {
    /// What exactly the same subvolumes hold; in bytes.
    struct Share: Sendable, Codable, Equatable {
        let members: SlotSet
        /// Extents of file content, as they lie on the devices.
        var data: UInt64 = 0
        /// What is in them, decompressed.
        var content: UInt64 = 0
        /// Blocks of trees.
        var metadata: UInt64 = 0

        init(members: SlotSet) { self.members = members }
    }

    /// What some subvolumes hold together; in bytes.
    struct Figures: Sendable, Equatable {
        /// All extents that they refer to, each once.
        var referenced: UInt64 = 0
        var content: UInt64 = 0
        /// Extents that only they refer to.
        var exclusive: UInt64 = 0
        /// Blocks of trees that only they have.
        var metadata: UInt64 = 0
    }

    static let version = 1

    let version: Int
    /// When it was made, in seconds since 1970.
    public let taken: Int64
    /// How long that took.
    public let seconds: Double
    let members: [ExtentTable.Member]
    let shares: [Share]
    /// Blocks of the file system's own trees: extents, checksums, free space, quotas; in bytes.
    let ownMetadata: UInt64
    /// Blocks of trees that are none of the pool's, deleted subvolumes' among them; in bytes.
    let otherMetadata: UInt64

    func figures(of slots: SlotSet) -> Figures {
        var figures = Figures()
        for share in shares where share.members.intersects(slots) {
            figures.referenced += share.data
            figures.content += share.content
            guard share.members.isSubset(of: slots) else { continue }
            figures.exclusive += share.data
            figures.metadata += share.metadata
        }
        return figures
    }

    /// Which of these trees are not as they were. The pool's own files don't count: the index is one of them.
    func changed(_ subvolumes: [PoolSubvolume]) -> Set<UInt64> {
        let known = Dictionary(members.map { ($0.id, $0.generation) }, uniquingKeysWith: { first, _ in first })
        return Set(subvolumes.filter { $0.subject != .pool && known[$0.root.id] != $0.root.generation }.map(\.root.id))
    }
}
