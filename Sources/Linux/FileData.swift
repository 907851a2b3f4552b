import CLinux
import Glibc

/// The data of files that are copied.
enum FileData {
    private static let chunk = 64 << 20

    /// Copies a file's data into an empty one: shared on disk where that can be, else without its holes.
    ///
    /// - Parameter check: called for each 64 MiB; it throws to stop.
    static func copy(
        _ input: borrowing OwnedFD, to output: borrowing OwnedFD, length: Int64, _ name: String, _ check: () throws -> Void
    ) throws {
        if length == 0 { return }
        let (from, to) = (input.number, output.number)
        // Data with checksums isn't shared with a file that has none.
        var flags: UInt32 = 0
        if dish_get_file_flags(from, &flags) == 0, flags & DISH_FS_NO_COPY_ON_WRITE != 0 {
            var own: UInt32 = 0
            if dish_get_file_flags(to, &own) == 0 { _ = dish_set_file_flags(to, own | DISH_FS_NO_COPY_ON_WRITE) }
        }
        if dish_clone_range(to, 0, from, 0, 0) == 0 { return }
        if errno == ENOSPC || errno == EDQUOT { throw SystemError("copy", name) }
        var position: Int64 = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var copied = 0
        while position < length {
            let start = dish_seek_data(from, position)
            if start < 0 {
                if errno == ENXIO { break }
                throw SystemError("copy", name)
            }
            let end = dish_seek_hole(from, start)
            position = start
            while position < min(end, length) {
                let (place, wanted) = (position, min(buffer.count, Int(min(end, length) - position)))
                let count = try retryingInterrupts("copy", name) { pread(from, buffer.baseAddress, wanted, off_t(place)) }
                if count == 0 { break }
                var written = 0
                while written < count {
                    let done = written
                    written += try retryingInterrupts("copy", name) {
                        pwrite(to, buffer.baseAddress! + done, count - done, off_t(place) + off_t(done))
                    }
                }
                position += Int64(count)
                copied += count
                if copied >= chunk {
                    copied = 0
                    try check()
                }
            }
            if end <= start { break }
        }
        try retryingInterrupts("copy", name) { ftruncate(to, off_t(length)) }
    }
}

/// Owners, modes, attributes and times of files that are copied.
enum FileAttributes {
    /// Of what is open.
    static func copy(from source: CInt, to target: CInt, _ status: stat) throws(SystemError) {
        try retryingInterrupts("set owner") { fchown(target, status.st_uid, status.st_gid) }
        try copyExtended(Array("/proc/self/fd/\(source)".utf8), to: Array("/proc/self/fd/\(target)".utf8), follow: 1)
        // After the owner: changing that clears the set-id bits.
        try retryingInterrupts("set mode") { fchmod(target, status.st_mode & 0o7777) }
        let (access, change) = (status.st_atim, status.st_mtim)
        try retryingInterrupts("set times") {
            dish_set_times(
                target, "", Int64(access.tv_sec), UInt32(access.tv_nsec), Int64(change.tv_sec), UInt32(change.tv_nsec))
        }
    }

    /// Of what can't be opened: links, devices, pipes, sockets.
    static func copy(
        _ name: FileName, in source: CInt, to newName: FileName, in target: CInt, _ status: stat
    ) throws(SystemError) {
        try retryingInterrupts("set owner of", shownName(newName)) {
            newName.withCString { fchownat(target, $0, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) }
        }
        try copyExtended(
            Array("/proc/self/fd/\(source)/".utf8) + name, to: Array("/proc/self/fd/\(target)/".utf8) + newName, follow: 0)
        if status.st_mode & S_IFMT != S_IFLNK {
            // Nobody else is in the target: it is the node that was just made.
            try retryingInterrupts("set mode of", shownName(newName)) {
                newName.withCString { fchmodat(target, $0, status.st_mode & 0o7777, 0) }
            }
        }
        let (access, change) = (status.st_atim, status.st_mtim)
        try retryingInterrupts("set times of", shownName(newName)) {
            newName.withCString {
                dish_set_times(
                    target, $0, Int64(access.tv_sec), UInt32(access.tv_nsec), Int64(change.tv_sec), UInt32(change.tv_nsec))
            }
        }
    }

    /// The kernel's limits of a list of names and of one value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
    private static let limit = 65536

    private static func copyExtended(_ source: FileName, to target: FileName, follow: CInt) throws(SystemError) {
        guard
            let count = try ifSupported({ () throws(SystemError) in
                try retryingInterrupts("list attributes") { source.withCString { dish_listxattr($0, nil, 0, follow) } }
            }), count > 0
        else { return }
        var list = [CChar](repeating: 0, count: limit)
        let length = try retryingInterrupts("list attributes") {
            source.withCString { dish_listxattr($0, &list, UInt(limit), follow) }
        }
        var value = [UInt8](repeating: 0, count: limit)
        for name in list[..<length].split(separator: 0) {
            let name = name.map { UInt8(bitPattern: $0) }
            // Properties are of the file system, and a trusted attribute is nothing that an image has.
            if name.starts(with: "btrfs.".utf8) || name.starts(with: "trusted.".utf8) { continue }
            let size = try ifSupported { () throws(SystemError) in
                try retryingInterrupts("read attribute \(shownName(name))") {
                    source.withCString { source in
                        name.withCString { name in
                            value.withUnsafeMutableBytes { dish_getxattr(source, name, $0.baseAddress, UInt(limit), follow) }
                        }
                    }
                }
            }
            // Gone meanwhile.
            guard let size else { continue }
            try retryingInterrupts("set attribute \(shownName(name))") {
                target.withCString { target in
                    name.withCString { name in dish_setxattr(target, name, value, UInt(size), follow) }
                }
            }
        }
    }

    /// - Returns: nil for what a file system hasn't got.
    private static func ifSupported(_ body: () throws(SystemError) -> Int) throws(SystemError) -> Int? {
        do {
            return try body()
        } catch  where error.code == ENOTSUP || error.code == ENODATA {
            return nil
        }
    }
}
