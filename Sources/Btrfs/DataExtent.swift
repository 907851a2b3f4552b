import CLinux
import Linux

/// File content on the devices: what is allocated and freed as a whole, however little of it is still referred to.
public struct DataExtent: Sendable, Equatable {
    /// Its address in the file system.
    public let address: UInt64
    /// Bytes that it takes; of each copy where there are several.
    public let size: UInt64
    /// Bytes of content in it: more than its size when it is compressed.
    public let content: UInt64
    /// The file that refers to it.
    public var inode: UInt64 = 0
    /// Bytes of the file that lie in it.
    public var length: UInt64 = 0
    /// Whether what is read of the file is compared with checksums.
    public var hasChecksums = true
}

extension Filesystem {
    /// The extents that a subvolume's files refer to, some more than once (`EXTENT_DATA` items). Content that is in the trees
    /// themselves has none.
    ///
    /// The whole tree is read, but nothing that it points to. What the kernel hasn't written yet isn't there: sync first where that
    /// matters.
    public func forEachDataExtent(of subvolume: UInt64, _ body: (DataExtent) -> Void) throws {
        // The last that has none: a file's own item comes before its extents.
        var unchecked: UInt64?
        var (items, isCancelled) = (0, false)
        try searchTree(
            directory.number, path, tree: subvolume, types: UInt32(BTRFS_INODE_ITEM_KEY)...UInt32(BTRFS_EXTENT_DATA_KEY),
            objects: UInt64(BTRFS_FIRST_FREE_OBJECTID)...UInt64.max
        ) { key, item in
            items &+= 1
            if items & 4095 == 0, (try? Cancellation.check()) == nil {
                isCancelled = true
                return false
            }
            if key.type == UInt32(BTRFS_INODE_ITEM_KEY) {
                if InodeItem(item)?.isUnchecked == true { unchecked = key.objectid }
                return true
            }
            // struct btrfs_file_extent_item: bytes 8 content, 16 compression, 20 type, 21 address, 29 size, 45 length.
            guard key.type == UInt32(BTRFS_EXTENT_DATA_KEY), item.count >= 53, item[20] != UInt8(BTRFS_FILE_EXTENT_INLINE) else {
                return true
            }
            let address = item.loadUnaligned(fromByteOffset: 21, as: UInt64.self).littleEndian
            let size = item.loadUnaligned(fromByteOffset: 29, as: UInt64.self).littleEndian
            // Address 0 is a hole.
            guard address != 0 else { return true }
            let content = item[16] == 0 ? size : item.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian
            body(
                DataExtent(
                    address: address, size: size, content: content, inode: key.objectid,
                    length: item.loadUnaligned(fromByteOffset: 45, as: UInt64.self).littleEndian,
                    // What is only allocated reads as zeros.
                    hasChecksums: unchecked != key.objectid || item[20] == UInt8(BTRFS_FILE_EXTENT_PREALLOC)))
            return true
        }
        if isCancelled { throw CancellationError() }
    }

    /// Whether a leaf of a tree was written after a transaction. Of one that nobody can write to, nothing changed otherwise.
    public func hasLeaf(of tree: UInt64, after generation: UInt64) throws -> Bool {
        var found = false
        try searchTree(
            directory.number, path, tree: tree, types: 0...255, objects: 0...UInt64.max, from: generation + 1
        ) { _, _ in
            found = true
            return false
        }
        return found
    }
}
