import CLinux
import Glibc

/// The data of files that are copied.
public enum FileData {
    private static let chunk = 64 << 20
    /// `FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE` of linux/falloc.h.
    private static let punchHole: CInt = 3

    /// Copies a file's data into an empty one: shared on disk where that can be, else without its holes.
    ///
    /// - Parameter check: called for each 64 MiB; it throws to stop.
    public static func copy(
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
        try copyData(from, at: 0, to: to, at: 0, length: length, name, check)
        try retryingInterrupts("copy", name) { ftruncate(to, off_t(length)) }
    }

    /// Makes a range of a file what a range of another one is, as a clone does, where the kernel shares no data between the two. Holes
    /// stay holes.
    ///
    /// - Throws: `SystemError` with `EINVAL` when the source is shorter.
    public static func copyRange(
        _ from: CInt, at start: Int64, to: CInt, at place: Int64, length: Int64, _ name: String, _ check: () throws -> Void
    ) throws {
        var (source, target) = (stat(), stat())
        try retryingInterrupts("copy", name) { fstat(from, &source) }
        guard length >= 0, start <= Int64(source.st_size) - length, place <= Int64.max - length else {
            throw SystemError("copy", name, code: EINVAL)
        }
        try retryingInterrupts("copy", name) { fstat(to, &target) }
        if target.st_size > off_t(place) {
            try retryingInterrupts("copy", name) { dish_fallocate(to, punchHole, place, length) }
        }
        try copyData(from, at: start, to: to, at: place, length: length, name, check)
        if target.st_size < off_t(place + length) {
            try retryingInterrupts("copy", name) { ftruncate(to, off_t(place + length)) }
        }
    }

    /// Writes a file's content anew so that it has checksums, which the kernel gives none that was made without. Names, owner, mode,
    /// attributes and times stay.
    ///
    /// - Parameters:
    ///   - file: open for reading and writing. Nobody else uses it.
    ///   - copy: an empty file of the same file system, open for both.
    public static func giveChecksums(
        _ file: borrowing OwnedFD, through copy: borrowing OwnedFD, _ name: String, _ check: () throws -> Void
    ) throws {
        let (number, place) = (file.number, copy.number)
        var status = stat()
        try retryingInterrupts("stat", name) { fstat(number, &status) }
        try allowChecksums(place, name)
        try copyRange(number, at: 0, to: place, at: 0, length: Int64(status.st_size), name, check)
        // Writing takes capabilities away.
        try FileAttributes.copy(from: number, to: place, status)
        try retryingInterrupts("truncate", name) { ftruncate(number, 0) }
        try allowChecksums(number, name)
        try retryingInterrupts("copy", name) { dish_clone_range(number, 0, place, 0, 0) }
        try FileAttributes.copy(from: place, to: number, status)
    }

    /// Lets what is written to an empty file have checksums, or to the files that are made in a directory.
    public static func allowChecksums(_ file: CInt, _ name: String) throws(SystemError) {
        var flags: UInt32 = 0
        try retryingInterrupts("read flags of", name) { dish_get_file_flags(file, &flags) }
        let own = flags & ~DISH_FS_NO_COPY_ON_WRITE
        try retryingInterrupts("set flags of", name) { dish_set_file_flags(file, own) }
    }

    /// Copies what isn't a hole.
    private static func copyData(
        _ from: CInt, at first: Int64, to: CInt, at place: Int64, length: Int64, _ name: String, _ check: () throws -> Void
    ) throws {
        let last = first + length
        var position = first
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var copied = 0
        while position < last {
            let start = dish_seek_data(from, position)
            if start < 0 {
                if errno == ENXIO { break }
                throw SystemError("copy", name)
            }
            let end = dish_seek_hole(from, start)
            position = start
            while position < min(end, last) {
                let (place, wanted) = (position - first + place, min(buffer.count, Int(min(end, last) - position)))
                let current = position
                let count = try retryingInterrupts("copy", name) { pread(from, buffer.baseAddress, wanted, off_t(current)) }
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
    }
}

/// Owners, modes, attributes and times of files that are copied.
enum FileAttributes {
    /// Of what is open.
    static func copy(from source: CInt, to target: CInt, _ status: stat) throws(SystemError) {
        try retryingInterrupts("set owner") { fchown(target, status.st_uid, status.st_gid) }
        try copyExtended(ExtendedAttributes(of: source), to: Array("/proc/self/fd/\(target)".utf8), follow: 1)
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
            ExtendedAttributes(of: source, name), to: Array("/proc/self/fd/\(target)/".utf8) + newName, follow: 0)
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

    private static func copyExtended(_ source: ExtendedAttributes, to target: FileName, follow: CInt) throws(SystemError) {
        for name in try source.names() {
            // Properties are of the file system, and a trusted attribute is nothing that an image has.
            if name.starts(with: "btrfs.".utf8) || name.starts(with: "trusted.".utf8) { continue }
            // Gone meanwhile.
            guard let value = try source.value(of: name) else { continue }
            try retryingInterrupts("set attribute \(shownName(name))") {
                target.withCString { target in
                    name.withCString { name in dish_setxattr(target, name, value, UInt(value.count), follow) }
                }
            }
        }
    }
}
