import CLinux
import Glibc
public import Linux

/// A subvolume that lies in another one, as the tree of tree roots has it: without a path, which may be too long for any, or no text.
public struct NestedSubvolume: Sendable, Equatable {
    public let id: UInt64
    /// The inode of the directory it lies in.
    public let directory: UInt64
    public let name: FileName
}

extension Filesystem {
    /// The subvolumes that lie directly in one, in the order of their ids.
    public func nestedSubvolumes(in tree: UInt64) throws(SystemError) -> [NestedSubvolume] {
        var found: [NestedSubvolume] = []
        try searchTree(
            directory.number, path, tree: 1, type: UInt32(BTRFS_ROOT_REF_KEY), objects: tree...tree
        ) { _, id, item in
            guard let (directory, name) = rootReference(item) else { return }
            found.append(NestedSubvolume(id: id, directory: directory, name: name))
        }
        return found
    }

    /// Opens a directory of a subvolume by its inode: any, however deep it lies.
    ///
    /// - Throws: `SystemError` with `ESTALE` when it is gone.
    public func openDirectory(_ inode: UInt64, of tree: UInt64) throws(SystemError) -> OwnedFD {
        var generation: UInt64?
        // struct btrfs_inode_item begins with the generation, without which Linux before 6.2 opens nothing.
        try searchTree(
            directory.number, path, tree: tree, type: UInt32(BTRFS_INODE_ITEM_KEY), objects: inode...inode
        ) { _, _, item in
            if item.count >= 8 { generation = item.loadUnaligned(as: UInt64.self).littleEndian }
        }
        guard let generation else { throw SystemError("open inode \(inode) of subvolume \(tree) of", path, code: ESTALE) }
        let number = directory.number
        let opened = try retryingInterrupts("open inode \(inode) of subvolume \(tree) of", path) {
            dish_open_inode(number, tree, inode, generation, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
        return OwnedFD(adopting: opened)
    }
}

/// `struct btrfs_root_ref`: directory, sequence, length of the name, then the name.
func rootReference(_ item: UnsafeRawBufferPointer) -> (directory: UInt64, name: FileName)? {
    guard item.count >= 18 else { return nil }
    let length = Int(item.loadUnaligned(fromByteOffset: 16, as: UInt16.self).littleEndian)
    guard item.count >= 18 + length else { return nil }
    return (item.loadUnaligned(as: UInt64.self).littleEndian, Array(item[18..<18 + length]))
}
