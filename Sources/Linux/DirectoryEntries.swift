import CLinux
public import Glibc

/// Names as the kernel has them: bytes, which need not be UTF-8.
public typealias FileName = [UInt8]

extension [UInt8] {
    /// Calls `body` with these bytes as a C string.
    public func withCString<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
        try (self + [0]).withUnsafeBytes { try body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
    }
}

/// Work in directories of a tree that others wrote: one name at a time, no link followed.
extension OwnedFD {
    /// An entry of a directory.
    public struct DirectoryEntry: Sendable {
        public let name: FileName
        /// As the directory has it: `S_IFDIR`, `S_IFREG`, …
        public let type: mode_t
    }

    /// Calls `body` with the entries of this open directory, from its first on, without `.` and `..`, until it returns false.
    /// Entries may be removed meanwhile.
    public borrowing func forEachEntry(_ body: (DirectoryEntry) throws(SystemError) -> Bool) throws(SystemError) {
        let number = number
        try retryingInterrupts("read directory") { lseek(number, 0, SEEK_SET) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32768, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let count: Int
            do {
                count = try retryingInterrupts("read directory") {
                    dish_getdents64(number, buffer.baseAddress, UInt(buffer.count))
                }
            } catch  where error.code == ENOENT {
                // It was removed meanwhile, and was empty then.
                return
            }
            if count == 0 { return }
            // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
            var position = 0
            while position < count {
                let length = Int(buffer.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
                let name = Array(buffer[position + 19..<position + length].prefix { $0 != 0 })
                let type = mode_t(buffer[position + 18]) << 12
                position += length
                if name == [46] || name == [46, 46] { continue }
                guard try body(DirectoryEntry(name: name, type: type)) else { return }
            }
        }
    }

    /// The names in this open directory, sorted by their bytes.
    public borrowing func names() throws(SystemError) -> [FileName] {
        var names: [FileName] = []
        try forEachEntry { entry throws(SystemError) in
            names.append(entry.name)
            return true
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// A directory in this one; never through a link, nor onto another file system.
    public borrowing func directory(_ name: FileName) throws(SystemError) -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)
        let number = number
        let opened = try retryingInterrupts("open directory", shownName(name)) {
            name.withCString { dish_openat2(number, $0, &how) }
        }
        return OwnedFD(adopting: opened)
    }

    /// The directory that this one lies in.
    public borrowing func parentDirectory() throws(SystemError) -> OwnedFD {
        let number = number
        let opened = try retryingInterrupts("open directory", "..") {
            dish_openat(number, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        }
        return OwnedFD(adopting: opened)
    }

    /// The status of what is open.
    public borrowing func status() throws(SystemError) -> stat {
        var status = stat()
        let number = number
        try retryingInterrupts("read status") { fstat(number, &status) }
        return status
    }

    /// Tells whether a file or directory has one of the flags `immutable` and `append-only`.
    public borrowing func isProtected() -> Bool { FileProtection.isSet(on: number) }

    /// Takes the flags `immutable` and `append-only` of a file or directory away.
    ///
    /// - Returns: whether it had one of them.
    @discardableResult
    public borrowing func removeProtection() throws(SystemError) -> Bool { try FileProtection.remove(number) }
}

/// A name for messages: what could move a terminal's cursor is shown as `?`.
public func shownName(_ name: FileName) -> String {
    String(decoding: name.map { $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
}
