import Btrfs

/// Which subvolumes hold which blocks of trees, from the references in the extent tree.
///
/// A reference names a tree in which the block has a parent of the tree's own, or the parent itself. What is not said is who shares
/// that parent: a block two levels or more below the top of a tree is shared by all snapshots that were made of the tree since the
/// block was written, unless they have replaced it. One that can be written to may have; it counts as a holder all the same. So
/// what is said to be exclusive is, and a little more may be.
struct MetadataShares {
    /// Bytes by holders.
    private(set) var shares: [SlotSet: UInt64] = [:]
    /// Of the file system's own trees.
    private(set) var own: UInt64 = 0
    /// Of trees that are in no slot.
    private(set) var other: UInt64 = 0

    private let roots: [UInt64: SubvolumeRoot]
    private let slots: [UInt64: Int]
    /// By the source's UUID.
    private let snapshots: [String: [SubvolumeRoot]]
    private var blocks: [UInt64: TreeBlock] = [:]
    private var known: [UInt64: SlotSet] = [:]
    private var descendants: [Descent: SlotSet] = [:]

    private struct Descent: Hashable {
        let tree: UInt64
        let generation: UInt64
    }

    /// The chunk tree's blocks are in block groups of their own, of type "system".
    private static let chunkTree: UInt64 = 3

    init(_ all: [TreeBlock], size: UInt64, roots: [SubvolumeRoot], slots: [UInt64: Int]) {
        self.roots = Dictionary(uniqueKeysWithValues: roots.map { ($0.id, $0) })
        self.slots = slots
        snapshots = Dictionary(grouping: roots.filter { $0.parentUUID != nil }, by: { $0.parentUUID ?? "" })
        for block in all where !block.parents.isEmpty || block.level > 0 { blocks[block.address] = block }
        for block in all {
            if block.trees.contains(Self.chunkTree) { continue }
            let holders = holders(of: block, depth: 0)
            if !holders.isEmpty {
                shares[holders, default: 0] += size
            } else if block.trees.contains(where: { $0 < 256 && $0 != 5 || $0 > UInt64(bitPattern: -256) }) {
                own += size
            } else {
                other += size
            }
        }
    }

    private mutating func holders(of block: TreeBlock, depth: Int) -> SlotSet {
        if let holders = known[block.address] { return holders }
        var holders = SlotSet()
        for tree in block.trees {
            if let slot = slots[tree] { holders.insert(slot) }
            guard let root = roots[tree], block.level + 1 < root.level else { continue }
            holders.formUnion(snapshots(of: root, since: block.generation))
        }
        // A tree is at most eight levels high.
        for parent in block.parents where depth < 8 {
            if let parent = blocks[parent] { holders.formUnion(self.holders(of: parent, depth: depth + 1)) }
        }
        if block.level > 0 { known[block.address] = holders }
        return holders
    }

    /// The snapshots that were made of a tree after a transaction, and those made of them.
    private mutating func snapshots(of root: SubvolumeRoot, since generation: UInt64) -> SlotSet {
        let descent = Descent(tree: root.id, generation: generation)
        if let set = descendants[descent] { return set }
        // A snapshot isn't its own source; should one say so, it has no more of them.
        descendants[descent] = SlotSet()
        var set = SlotSet()
        for snapshot in snapshots[root.uuid] ?? [] where snapshot.creation >= generation {
            if let slot = slots[snapshot.id] { set.insert(slot) }
            set.formUnion(snapshots(of: snapshot, since: generation))
        }
        descendants[descent] = set
        return set
    }
}
