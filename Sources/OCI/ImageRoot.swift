import CLinux
import Glibc
import Linux

/// The root of an image, changed by names that are bytes and may be hostile.
///
/// Paths have no leading slash; links in them lead where they lead in the container (openat2(2), `RESOLVE_IN_ROOT`), and the last
/// component is never followed.
struct ImageRoot: ~Copyable {
    let directory: OwnedFD

    init(_ path: String) throws {
        directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    }

    /// - Parameter path: empty for the root.
    func open(_ path: [UInt8], _ flags: CInt) throws(SystemError) -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(flags | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        let number = directory.number
        let name = path.isEmpty ? [UInt8(ascii: ".")] : path
        let opened = try retryingInterrupts("open", shown(path)) { withBytes(name) { dish_openat2(number, $0, &how) } }
        return OwnedFD(adopting: opened)
    }

    func openDirectory(_ path: [UInt8]) throws(SystemError) -> OwnedFD { try open(path, O_RDONLY | O_DIRECTORY) }

    /// Nil where there is nothing, or no directory.
    func openDirectoryIfPresent(_ path: [UInt8]) throws(SystemError) -> OwnedFD? {
        do {
            return try openDirectory(path)
        } catch  where error.code == ENOENT {
            return nil
        }
    }

    /// The directory at a path that leads there without links; nil for any other.
    func openDirect(_ path: [UInt8]) throws -> OpenedDirectory? {
        var how = open_how()
        how.flags = UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        let number = directory.number
        let name = path.isEmpty ? [UInt8(ascii: ".")] : path
        do {
            let opened = try retryingInterrupts("open", shown(path)) { withBytes(name) { dish_openat2(number, $0, &how) } }
            return try OpenedDirectory(OwnedFD(adopting: opened), path)
        } catch let error as SystemError where [ENOENT, ENOTDIR, ELOOP].contains(error.code) {
            return nil
        }
    }

    /// The target of a symbolic link.
    static func target(of name: [UInt8], in directory: CInt) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try retryingInterrupts("read link", shown(name)) {
            buffer.withUnsafeMutableBytes { buffer in
                withBytes(name) {
                    readlinkat(directory, $0, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
                }
            }
        }
        return Array(buffer[..<count])
    }

    /// What has a name in a directory; nil for nothing.
    static func status(of name: [UInt8], in directory: CInt) -> stat? {
        var status = stat()
        guard withBytes(name, { fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else { return nil }
        return status
    }

    static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }

    /// The names in a directory, sorted.
    static func list(_ directory: CInt) throws -> [[UInt8]] {
        let copy = try retryingInterrupts("open directory") { dish_openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        let handle = OwnedFD(adopting: copy)
        let number = handle.number
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 8)
        defer { buffer.deallocate() }
        var names: [[UInt8]] = []
        while true {
            let count = try retryingInterrupts("read directory") {
                dish_getdents64(number, buffer.baseAddress, UInt(buffer.count))
            }
            if count == 0 { break }
            // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
            var position = 0
            while position < count {
                let length = Int(buffer.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
                let name = Array(buffer[position + 19..<position + length].prefix { $0 != 0 })
                if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
                position += length
            }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Removes a name and all below it, at any depth.
    static func remove(_ name: [UInt8], in directory: CInt) throws {
        guard let status = status(of: name, in: directory) else { return }
        if isDirectory(status) {
            let copy = try retryingInterrupts("duplicate descriptor") { dish_fcntl(directory, F_DUPFD_CLOEXEC, 0) }
            try Files.removeTree(name, in: OwnedFD(adopting: copy))
        } else {
            try retryingInterrupts("remove", shown(name)) { withBytes(name) { unlinkat(directory, $0, 0) } }
        }
    }

    /// A directory in a directory, never through a link.
    static func openChild(_ name: [UInt8], in directory: CInt) throws(SystemError) -> OwnedFD {
        OwnedFD(
            adopting: try retryingInterrupts("open directory", shown(name)) {
                withBytes(name) { dish_openat(directory, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) }
            })
    }
}

/// A path for messages.
func shown(_ path: [UInt8]) -> String {
    // What could move a terminal's cursor is shown as what it is.
    String(decoding: path.map { $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
}

func withBytes<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (path + [0]).withUnsafeBytes { try body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
}
