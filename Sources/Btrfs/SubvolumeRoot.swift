import CLinux
import Linux

/// What the tree of tree roots says of a subvolume's tree (`struct btrfs_root_item`, btrfs(5)): as of the last commit.
public struct SubvolumeRoot: Sendable, Equatable {
    public let id: UInt64
    /// The transaction that last wrote its topmost block: equal when nothing in it changed.
    public let generation: UInt64
    /// The transaction that made it.
    public let creation: UInt64
    public let uuid: String
    /// UUID of what this is a snapshot of; nil when it is none.
    public let parentUUID: String?
    public let isReadOnly: Bool
    /// Whether it was deleted, and the kernel is still taking it apart.
    public let isDeleted: Bool
    /// The level of its topmost block; 0 is a leaf.
    public let level: UInt8
    /// Bytes of all its blocks, whoever shares them.
    public let metadata: UInt64
}

extension Filesystem {
    /// The trees of all subvolumes, deleted ones that are still being taken apart included.
    public func subvolumeRoots() throws -> [SubvolumeRoot] {
        var roots: [SubvolumeRoot] = []
        let none = "00000000-0000-0000-0000-000000000000"
        try searchTree(
            directory.number, path, tree: 1, type: UInt32(BTRFS_ROOT_ITEM_KEY), objects: 5...UInt64(bitPattern: -256)
        ) { id, _, item in
            guard id == 5 || id >= UInt64(BTRFS_FIRST_FREE_OBJECTID), item.count >= 439 else { return }
            func number(_ offset: Int) -> UInt64 { item.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian }
            func uuid(_ offset: Int) -> String {
                formatUUID(item.loadUnaligned(fromByteOffset: offset, as: (UInt64, UInt64).self))
            }
            roots.append(
                SubvolumeRoot(
                    id: id, generation: number(160), creation: number(303), uuid: uuid(247),
                    parentUUID: uuid(263) == none ? nil : uuid(263), isReadOnly: number(208) & 1 != 0,
                    isDeleted: item.loadUnaligned(fromByteOffset: 216, as: UInt32.self) == 0, level: item[238],
                    metadata: number(192)))
        }
        return roots
    }
}
