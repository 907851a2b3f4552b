import CLinux
import Glibc
public import Linux

/// A file whose content has no checksums, or a directory that gives new files none: made with `chattr +C`, or with the mount options
/// `nodatacow` or `nodatasum`.
public struct UncheckedInode: Sendable, Equatable {
    public let inode: UInt64
    /// The transaction that made it, by which another one of the same number is told apart.
    let generation: UInt64
    public let isDirectory: Bool
}

/// `struct btrfs_inode_item`.
struct InodeItem {
    private let item: UnsafeRawBufferPointer

    /// Nil for what is too short to be one.
    init?(_ item: UnsafeRawBufferPointer) {
        guard item.count >= 72 else { return nil }
        self.item = item
    }

    /// The transaction that made it.
    var generation: UInt64 { item.loadUnaligned(as: UInt64.self).littleEndian }

    private var type: UInt32 { item.loadUnaligned(fromByteOffset: 52, as: UInt32.self).littleEndian & UInt32(S_IFMT) }

    var isDirectory: Bool { type == UInt32(S_IFDIR) }

    /// `BTRFS_INODE_NODATASUM` of a file, `BTRFS_INODE_NODATACOW` of a directory. The latter is never without the former on a file.
    var isUnchecked: Bool {
        let flags = item.loadUnaligned(fromByteOffset: 64, as: UInt64.self).littleEndian
        return type == UInt32(S_IFREG) ? flags & 1 != 0 : isDirectory && flags & 2 != 0
    }
}

extension Filesystem {
    /// The files and directories of a subvolume whose content has, or will have, no checksums. None is opened; what the kernel hasn't
    /// committed yet isn't seen.
    ///
    /// - Parameter generation: parts of the tree that were last written before this transaction aren't read.
    public func uncheckedInodes(of subvolume: UInt64, from generation: UInt64 = 0) throws -> [UncheckedInode] {
        var found: [UncheckedInode] = []
        var isCancelled = false
        var items = 0
        let type = UInt32(BTRFS_INODE_ITEM_KEY)
        try searchTree(
            directory.number, path, tree: subvolume, types: type...type,
            objects: UInt64(BTRFS_FIRST_FREE_OBJECTID)...UInt64.max, from: generation
        ) { key, item in
            items &+= 1
            if items & 1023 == 0, (try? Cancellation.check()) == nil {
                isCancelled = true
                return false
            }
            guard key.type == type, let inode = InodeItem(item), inode.isUnchecked else { return true }
            found.append(
                UncheckedInode(inode: key.objectid, generation: inode.generation, isDirectory: inode.isDirectory))
            return true
        }
        if isCancelled { throw CancellationError() }
        return found
    }

    /// Opens a file or directory of a subvolume by its number: no name is looked up, and no link followed.
    ///
    /// - Throws: `SystemError` with `ESTALE` when it is gone.
    public func openInode(_ file: UncheckedInode, of subvolume: UInt64, for access: CInt) throws(SystemError) -> OwnedFD {
        let number = directory.number
        let flags = access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | (file.isDirectory ? O_DIRECTORY : 0)
        let opened = try retryingInterrupts("open inode \(file.inode) of subvolume \(subvolume) of", path) {
            dish_open_inode(number, subvolume, file.inode, file.generation, flags)
        }
        return OwnedFD(adopting: opened)
    }
}
