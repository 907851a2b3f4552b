import CLinux
import Linux

/// A block of one of the file system's trees, and who refers to it (extent tree, btrfs(5) "Backrefs").
public struct TreeBlock: Sendable, Equatable {
    public let address: UInt64
    /// 0 is a leaf.
    public let level: UInt8
    /// The transaction that wrote it.
    public let generation: UInt64
    /// Trees in which it has a parent block that is the tree's own.
    public internal(set) var trees: [UInt64] = []
    /// Addresses of blocks that refer to it whichever tree they belong to.
    public internal(set) var parents: [UInt64] = []
}

extension Filesystem {
    /// All blocks of all trees. The cost goes with the number of extents in the file system.
    public func treeBlocks() throws -> [TreeBlock] {
        var blocks: [TreeBlock] = []
        try searchTree(directory.number, path, tree: 2, types: 0...255, objects: 0...UInt64.max) { key, item in
            switch key.type {
            case UInt32(BTRFS_METADATA_ITEM_KEY):
                blocks.append(Self.block(at: key.objectid, level: UInt8(truncatingIfNeeded: key.offset), item, references: 24))
            case UInt32(BTRFS_EXTENT_ITEM_KEY):
                // Without the feature "skinny metadata" blocks look like data, with a flag, a key and the level before the references.
                guard item.count >= 42, item.loadUnaligned(fromByteOffset: 16, as: UInt64.self).littleEndian & 2 != 0 else {
                    break
                }
                blocks.append(Self.block(at: key.objectid, level: item[41], item, references: 42))
            case UInt32(BTRFS_TREE_BLOCK_REF_KEY) where blocks.last?.address == key.objectid:
                blocks[blocks.count - 1].trees.append(key.offset)
            case UInt32(BTRFS_SHARED_BLOCK_REF_KEY) where blocks.last?.address == key.objectid:
                blocks[blocks.count - 1].parents.append(key.offset)
            default: break
            }
            return true
        }
        return blocks
    }

    private static func block(
        at address: UInt64, level: UInt8, _ item: UnsafeRawBufferPointer, references: Int
    ) -> TreeBlock {
        func number(_ offset: Int) -> UInt64 { item.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian }
        var block = TreeBlock(address: address, level: level, generation: item.count >= 16 ? number(8) : 0)
        // struct btrfs_extent_inline_ref: a type, and a tree's id or a parent's address.
        var position = references
        while position + 9 <= item.count {
            switch UInt32(item[position]) {
            case UInt32(BTRFS_TREE_BLOCK_REF_KEY): block.trees.append(number(position + 1))
            case UInt32(BTRFS_SHARED_BLOCK_REF_KEY): block.parents.append(number(position + 1))
            default: break
            }
            position += 9
        }
        return block
    }

    /// Bytes of a tree's block.
    public func blockSize() throws -> UInt64 {
        var info = btrfs_ioctl_fs_info_args()
        try control(directory.number, DISH_BTRFS_FS_INFO, &info, "read file system information of", path)
        return UInt64(info.nodesize)
    }
}
