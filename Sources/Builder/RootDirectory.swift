import CLinux
import Glibc
import Linux

/// The root file system of an image being built, changed from outside it.
///
/// Every path is resolved by the kernel with that root as `/` (openat2(2), `RESOLVE_IN_ROOT`):
/// links inside lead where they lead in the container, never out of it.
struct RootDirectory: ~Copyable, Sendable {
    let path: String
    let directory: OwnedFD

    init(_ path: String) throws {
        directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        self.path = path
    }

    /// The largest file that is read, in bytes.
    private static let fileLimit = 16 << 20

    /// A file's content; nil when there is no such file.
    ///
    /// - Throws: `SystemError` when it isn't a regular file, or larger than 16 MiB.
    func read(_ path: String) throws -> [UInt8]? {
        try directory.readFileIfPresent(inRoot: path, limit: Self.fileLimit)
    }

    /// Replaces a file. What has its name is replaced, but for a directory; missing directories above
    /// it are made, owned by root.
    func write(_ path: String, _ content: [UInt8], mode: UInt32, owner: UInt32 = 0, group: UInt32 = 0) throws {
        let location = try locate(path)
        let number = location.directory.number
        let (name, unfinished) = (location.name, location.unfinished)
        let created = try retryingInterrupts("create", path) {
            dish_openat(number, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        }
        let file = OwnedFD(adopting: created)
        do {
            try Files.write(content, to: file.number, path)
            try own(file.number, path, mode: mode, owner: owner, group: group)
            try retryingInterrupts("write", path) { renameat(number, unfinished, number, name) }
        } catch {
            unlinkat(number, unfinished, 0)
            throw error
        }
    }

    /// Makes a directory, or gives an existing one this mode and these owners.
    func makeDirectory(_ path: String, mode: UInt32, owner: UInt32 = 0, group: UInt32 = 0) throws {
        let location = try locate(path)
        let number = location.directory.number
        let name = location.name
        if mkdirat(number, name, 0o700) != 0, errno != EEXIST { throw SystemError("create directory", path) }
        let made = try open(path, O_RDONLY | O_DIRECTORY)
        try own(made.number, path, mode: mode, owner: owner, group: group)
    }

    /// Makes a symbolic link, replacing what has its name, but for a directory.
    func makeSymlink(_ path: String, to target: String) throws {
        try replace(path, "create symbolic link") { directory, name in symlinkat(target, directory, name) }
    }

    /// Gives a file a further name. A link at the end of either path is not followed.
    func makeHardlink(_ path: String, to target: String) throws {
        let existing = try locate(target)
        let (source, name) = (existing.directory.number, existing.name)
        try replace(path, "create hard link to '\(target)':") { linkat(source, name, $0, $1, 0) }
    }

    /// Makes a device node, replacing what has its name, but for a directory.
    ///
    /// - Parameter type: `S_IFCHR` or `S_IFBLK`.
    func makeDevice(
        _ path: String, type: UInt32, major: UInt32, minor: UInt32, mode: UInt32, owner: UInt32, group: UInt32
    ) throws {
        try replace(path, "create device") { directory, name in
            guard mknodat(directory, name, type, dev_t(dish_makedev(major, minor))) == 0 else { return -1 }
            guard fchownat(directory, name, owner, group, AT_SYMLINK_NOFOLLOW) == 0 else { return -1 }
            return fchmodat(directory, name, mode, 0)
        }
    }

    /// Whether anything has this name; a link at its end is not followed.
    func exists(_ path: String) -> Bool {
        (try? open(path, DISH_O_PATH | O_NOFOLLOW)) != nil
    }

    /// Whether there is a regular file that may be run, perhaps behind a link.
    func isExecutable(_ path: String) -> Bool {
        guard let opened = try? open(path, DISH_O_PATH) else { return false }
        var status = stat()
        return fstat(opened.number, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o111 != 0
    }

    /// Whether there is a directory, perhaps behind a link.
    func isDirectory(_ path: String) -> Bool {
        (try? open(path, DISH_O_PATH | O_DIRECTORY)) != nil
    }

    /// The path on the host of what a path inside leads to, with all links followed inside.
    func realPath(_ path: String) throws -> String {
        let opened = try open(path, DISH_O_PATH)
        return try Self.path(of: opened)
    }

    private static func path(of opened: borrowing OwnedFD) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let link = "/proc/self/fd/\(opened.number)"
        let count = try retryingInterrupts("read link", link) { readlink(link, &buffer, buffer.count - 1) }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Makes something under a name beside the path, then gives it the path's name.
    private func replace(_ path: String, _ operation: String, _ make: (_ directory: CInt, _ name: String) -> CInt) throws {
        let location = try locate(path)
        let number = location.directory.number
        let (name, unfinished) = (location.name, location.unfinished)
        do {
            try retryingInterrupts(operation, path) { make(number, unfinished) }
            try retryingInterrupts(operation, path) { renameat(number, unfinished, number, name) }
        } catch {
            unlinkat(number, unfinished, 0)
            throw error
        }
        // Renaming one name of a file to another of the same file does nothing, and leaves both.
        unlinkat(number, unfinished, 0)
    }

    private func own(_ file: CInt, _ path: String, mode: UInt32, owner: UInt32, group: UInt32) throws {
        try retryingInterrupts("set owner of", path) { fchown(file, owner, group) }
        // After the owner: changing that clears the set-id bits.
        try retryingInterrupts("set mode of", path) { fchmod(file, mode) }
    }

    func open(_ path: String, _ flags: CInt) throws(SystemError) -> OwnedFD {
        try directory.open(inRoot: path, flags)
    }

    /// Where a path is, with the directories above it made where they are missing.
    func locate(_ path: String) throws -> Location {
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last else { throw BuildError(.path, "'\(path)' is the root itself") }
        var current = "/"
        var opened = try open(current, O_RDONLY | O_DIRECTORY)
        for part in parts.dropLast() {
            let next = current == "/" ? "/\(part)" : "\(current)/\(part)"
            if !exists(next) {
                let number = opened.number
                try retryingInterrupts("create directory", next) { mkdirat(number, part, 0o700) }
                // Not by mkdir(2): that would depend on this process's umask.
                try retryingInterrupts("set mode of", next) { fchmodat(number, part, 0o755, 0) }
            }
            opened = try open(next, O_RDONLY | O_DIRECTORY)
            current = next
        }
        return Location(directory: opened, name: name)
    }
}

/// The directory a path lies in, and its name there.
struct Location: ~Copyable {
    let directory: OwnedFD
    let name: String

    /// A name for what isn't complete yet.
    var unfinished: String { ".\(name.prefix(200)).dish-new" }
}
