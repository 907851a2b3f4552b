import CLinux
import Linux

/// Calls `body` with each item of one type in a tree (`BTRFS_IOC_TREE_SEARCH_V2`).
///
/// - Parameters:
///   - directory: a directory of the file system.
///   - tree: the tree's id; 0 is that of the subvolume the directory lies in.
///   - generation: parts of the tree that were last written before this transaction are skipped without
///     being read.
func searchTree(
    _ directory: CInt, _ path: String, tree: UInt64, type: UInt32, objects: ClosedRange<UInt64>,
    from generation: UInt64 = 0,
    _ body: (_ object: UInt64, _ offset: UInt64, _ item: UnsafeRawBufferPointer) -> Void
) throws(SystemError) {
    try searchTree(directory, path, tree: tree, types: type...type, objects: objects, from: generation) { key, item in
        // The search compares whole keys, so items of other types lie in between.
        if key.type == type { body(key.objectid, key.offset, item) }
        return true
    }
}

/// Calls `body` with each item between the first key and the last, whatever its type, until it says false.
func searchTree(
    _ directory: CInt, _ path: String, tree: UInt64, types: ClosedRange<UInt32>, objects: ClosedRange<UInt64>,
    from generation: UInt64 = 0,
    _ body: (_ key: btrfs_ioctl_search_header, _ item: UnsafeRawBufferPointer) -> Bool
) throws(SystemError) {
    let header = MemoryLayout<btrfs_ioctl_search_args_v2>.size
    let capacity = 64 * 1024
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: header + capacity, alignment: 8)
    defer { buffer.deallocate() }
    var key = btrfs_ioctl_search_key()
    key.tree_id = tree
    key.min_type = types.lowerBound
    key.max_type = types.upperBound
    key.min_objectid = objects.lowerBound
    key.max_objectid = objects.upperBound
    key.max_offset = .max
    key.min_transid = generation
    key.max_transid = .max
    while true {
        key.nr_items = .max
        buffer.storeBytes(of: key, as: btrfs_ioctl_search_key.self)
        buffer.storeBytes(
            of: UInt64(capacity), toByteOffset: MemoryLayout<btrfs_ioctl_search_key>.size, as: UInt64.self)
        try control(directory, DISH_BTRFS_TREE_SEARCH_V2, buffer, "search tree \(tree) of", path)
        let count = buffer.load(as: btrfs_ioctl_search_key.self).nr_items
        if count == 0 { return }
        var position = header
        for _ in 0..<count {
            let found = buffer.loadUnaligned(fromByteOffset: position, as: btrfs_ioctl_search_header.self)
            position += MemoryLayout<btrfs_ioctl_search_header>.size
            guard position + Int(found.len) <= header + capacity else { return }
            guard body(found, UnsafeRawBufferPointer(start: buffer + position, count: Int(found.len))) else { return }
            position += Int(found.len)
            key.min_objectid = found.objectid
            key.min_type = found.type
            key.min_offset = found.offset
        }
        guard key.min_offset < .max else { return }
        key.min_offset += 1
    }
}
