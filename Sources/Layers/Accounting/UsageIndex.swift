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

    static let version = 2

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

    /// The figures of many sets of subvolumes in one pass: each share is looked at once for each member, not once for each set.
    ///
    /// - Parameter sets: slots by a key; a slot may be in several sets.
    func figures<Key: Hashable>(of sets: [Key: SlotSet]) -> [Key: Figures] {
        let keys = Array(sets.keys)
        var owners = [[Int]](repeating: [], count: members.count)
        for (place, key) in keys.enumerated() {
            for slot in sets[key]?.slots ?? [] where slot < owners.count { owners[slot].append(place) }
        }
        var figures = [Figures](repeating: Figures(), count: keys.count)
        // Members of the share at hand by set, and the sets that have any.
        var counts = [Int](repeating: 0, count: keys.count)
        var touched: [Int] = []
        for share in shares {
            let slots = share.members.slots
            for slot in slots where slot < owners.count {
                for place in owners[slot] {
                    if counts[place] == 0 { touched.append(place) }
                    counts[place] += 1
                }
            }
            for place in touched {
                figures[place].referenced += share.data
                figures[place].content += share.content
                if counts[place] == slots.count {
                    figures[place].exclusive += share.data
                    figures[place].metadata += share.metadata
                }
                counts[place] = 0
            }
            touched.removeAll(keepingCapacity: true)
        }
        return Dictionary(uniqueKeysWithValues: zip(keys, figures))
    }

    /// Which of these trees are not as they were. The pool's own files don't count: the index is one of them.
    func changed(_ subvolumes: [PoolSubvolume]) -> Set<UInt64> {
        let known = Dictionary(members.map { ($0.id, $0.generation) }, uniquingKeysWith: { first, _ in first })
        return Set(subvolumes.filter { $0.subject != .pool && known[$0.root.id] != $0.root.generation }.map(\.root.id))
    }
}
