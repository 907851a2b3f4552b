import CLinux
import Glibc
import Linux

extension Subvolume {
    /// The inodes of a subvolume whose content, attributes or names changed after a transaction.
    ///
    /// Each change of an inode writes its `INODE_ITEM`, which holds the transaction; a change of a directory's
    /// entries is a change of the directory. What is gone isn't listed, but the directory it was in is.
    /// The cost goes with the number of changes, not with the size of the tree. What the kernel hasn't written
    /// to its trees yet is not seen: sync the file system first.
    public static func inodesChanged(in path: String, after generation: UInt64) throws -> Set<UInt64> {
        let subvolume = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try requireBtrfs(subvolume.number, path)
        var changed: Set<UInt64> = []
        let all = UInt64(BTRFS_FIRST_FREE_OBJECTID)...UInt64.max
        try searchTree(
            subvolume.number, path, tree: 0, type: UInt32(BTRFS_INODE_ITEM_KEY), objects: all, from: generation + 1
        ) { inode, _, item in
            // struct btrfs_inode_item: generation of its creation, then that of its last change.
            guard item.count >= 16 else { return }
            if item.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian > generation { changed.insert(inode) }
        }
        return changed
    }
}
