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
}

extension Filesystem {
    /// The extents that a subvolume's files refer to, some more than once (`EXTENT_DATA` items). Content that is in the trees
    /// themselves has none.
    ///
    /// The whole tree is read, but nothing that it points to. What the kernel hasn't written yet isn't there: sync first where that
    /// matters.
    public func forEachDataExtent(of subvolume: UInt64, _ body: (DataExtent) -> Void) throws {
        try searchTree(
            directory.number, path, tree: subvolume, type: UInt32(BTRFS_EXTENT_DATA_KEY),
            objects: UInt64(BTRFS_FIRST_FREE_OBJECTID)...UInt64.max
        ) { _, _, item in
            // struct btrfs_file_extent_item: bytes 8 content, 16 compression, 20 type, 21 address, 29 size.
            guard item.count >= 53, item[20] != UInt8(BTRFS_FILE_EXTENT_INLINE) else { return }
            let address = item.loadUnaligned(fromByteOffset: 21, as: UInt64.self).littleEndian
            let size = item.loadUnaligned(fromByteOffset: 29, as: UInt64.self).littleEndian
            // Address 0 is a hole.
            guard address != 0 else { return }
            let content = item[16] == 0 ? size : item.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian
            body(DataExtent(address: address, size: size, content: content))
        }
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
