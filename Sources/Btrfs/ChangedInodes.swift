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
    ///
    /// - Parameter onInode: called for each; an error that it throws ends the search.
    public static func inodesChanged(
        in path: String, after generation: UInt64, onInode: () throws -> Void = {}
    ) throws -> Set<UInt64> {
        let subvolume = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try requireBtrfs(subvolume.number, path)
        var changed: Set<UInt64> = []
        var failure: (any Error)?
        var items = 0
        let type = UInt32(BTRFS_INODE_ITEM_KEY)
        let all = UInt64(BTRFS_FIRST_FREE_OBJECTID)...UInt64.max
        try searchTree(
            subvolume.number, path, tree: 0, types: type...type, objects: all, from: generation + 1
        ) { key, item in
            do {
                // Names and extents lie between, more than there are inodes.
                if items & 1023 == 0 { try Cancellation.check() }
                items &+= 1
                // struct btrfs_inode_item: generation of its creation, then that of its last change.
                guard key.type == type, item.count >= 16,
                    item.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian > generation
                else { return true }
                changed.insert(key.objectid)
                try onInode()
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        return changed
    }
}
