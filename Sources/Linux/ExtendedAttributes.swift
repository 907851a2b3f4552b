import CLinux
import Glibc

/// The extended attributes of a file, which is open or has a name in an open directory. No link is followed.
public struct ExtendedAttributes {
    private let path: FileName
    private let follow: CInt
    private let descriptor: CInt
    private let name: FileName
    /// `XATTR_SIZE_MAX` of the kernel.
    private static let valueLimit = 65536

    /// - Parameters:
    ///   - descriptor: of the file, or of the directory that it is in. It stays open as long as this value is used.
    ///   - name: in the directory; empty for what is open.
    public init(of descriptor: CInt, _ name: FileName = []) {
        self.descriptor = descriptor
        self.name = name
        follow = name.isEmpty ? 1 : 0
        // Attributes have no *at calls; the descriptor pins the file or its directory.
        let place = Array("/proc/self/fd/\(descriptor)".utf8)
        path = name.isEmpty ? place : place + [UInt8(ascii: "/")] + name
    }

    /// The names, in no order. Empty where the file system has no attributes.
    public func names() throws(SystemError) -> [FileName] {
        var capacity = 1024
        while true {
            var list = [CChar](repeating: 0, count: capacity)
            let length: Int
            do {
                length = try retryingInterrupts("list attributes") {
                    path.withCString { path in
                        list.withUnsafeMutableBufferPointer {
                            dish_listxattr(path, $0.baseAddress, UInt(capacity), follow)
                        }
                    }
                }
            } catch {
                switch error.code {
                case ENOTSUP: return []
                case ERANGE where capacity < Self.valueLimit: capacity = Self.valueLimit
                // More than `XATTR_LIST_MAX` bytes of names are listed by no call.
                case ERANGE, E2BIG: return try storedNames()
                default: throw error
                }
                continue
            }
            return list[..<length].split(separator: 0).map { $0.map { UInt8(bitPattern: $0) } }
        }
    }

    /// The value of an attribute; nil when there is none.
    public func value(of name: FileName) throws(SystemError) -> [UInt8]? {
        var capacity = 256
        while true {
            do {
                let path = path
                let follow = follow
                return try withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 1) {
                    buffer throws(SystemError) -> [UInt8] in
                    let size = try retryingInterrupts("read attribute \(shownName(name))") {
                        path.withCString { path in
                            name.withCString { dish_getxattr(path, $0, buffer.baseAddress, UInt(capacity), follow) }
                        }
                    }
                    return Array(buffer[..<size])
                }
            } catch {
                switch error.code {
                case ENODATA, ENOTSUP: return nil
                case ERANGE where capacity < Self.valueLimit: capacity = Self.valueLimit
                default: throw error
                }
            }
        }
    }

    /// The names as the items of a Btrfs tree have them (`BTRFS_IOC_TREE_SEARCH_V2`, root only).
    private func storedNames() throws(SystemError) -> [FileName] {
        var status = stat()
        let (number, name) = (descriptor, name)
        try retryingInterrupts("list attributes") {
            name.isEmpty
                ? fstat(number, &status) : name.withCString { fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        let header = MemoryLayout<btrfs_ioctl_search_args_v2>.size
        let capacity = 64 * 1024
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: header + capacity, alignment: 8)
        defer { buffer.deallocate() }
        var key = btrfs_ioctl_search_key()
        (key.min_objectid, key.max_objectid) = (UInt64(status.st_ino), UInt64(status.st_ino))
        (key.min_type, key.max_type) = (UInt32(BTRFS_XATTR_ITEM_KEY), UInt32(BTRFS_XATTR_ITEM_KEY))
        (key.max_offset, key.max_transid) = (.max, .max)
        var names: [FileName] = []
        while true {
            key.nr_items = .max
            buffer.storeBytes(of: key, as: btrfs_ioctl_search_key.self)
            buffer.storeBytes(of: UInt64(capacity), toByteOffset: MemoryLayout<btrfs_ioctl_search_key>.size, as: UInt64.self)
            try retryingInterrupts("list attributes, more than 64 KiB of names") {
                dish_ioctl(number, DISH_BTRFS_TREE_SEARCH_V2, buffer)
            }
            let count = buffer.load(as: btrfs_ioctl_search_key.self).nr_items
            if count == 0 { return names }
            var position = header
            for _ in 0..<count {
                let found = buffer.loadUnaligned(fromByteOffset: position, as: btrfs_ioctl_search_header.self)
                position += MemoryLayout<btrfs_ioctl_search_header>.size
                guard position + Int(found.len) <= header + capacity else { return names }
                Self.add(UnsafeRawBufferPointer(start: buffer + position, count: Int(found.len)), to: &names)
                position += Int(found.len)
                key.min_offset = found.offset
            }
            guard key.min_offset < .max else { return names }
            key.min_offset += 1
        }
    }

    /// An item has those of all names with one hash: `struct btrfs_dir_item`, with the lengths of value and name at 25 and 27, then both.
    private static func add(_ item: UnsafeRawBufferPointer, to names: inout [FileName]) {
        var position = 0
        while position + 30 <= item.count {
            let value = Int(item.loadUnaligned(fromByteOffset: position + 25, as: UInt16.self).littleEndian)
            let name = Int(item.loadUnaligned(fromByteOffset: position + 27, as: UInt16.self).littleEndian)
            guard position + 30 + name + value <= item.count else { return }
            names.append(Array(item[position + 30..<position + 30 + name]))
            position += 30 + name + value
        }
    }
}
