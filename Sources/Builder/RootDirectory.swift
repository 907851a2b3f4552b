import CLinux
import Glibc
import Linux

/// The root file system of an image being built, changed from outside it.
///
/// Every path is resolved by the kernel with that root as `/` (openat2(2), `RESOLVE_IN_ROOT`):
/// links inside lead where they lead in the container, never out of it.
struct RootDirectory: ~Copyable, Sendable {
    let path: String
    private let directory: OwnedFD

    init(_ path: String) throws {
        directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        self.path = path
    }

    /// A file's content; nil when there is no such file.
    func read(_ path: String) throws -> [UInt8]? {
        do {
            return try Files.read(try open(path, O_RDONLY), path)
        } catch  where error.code == ENOENT {
            return nil
        }
    }

    /// Replaces a file. What has its name is replaced, but for a directory; missing directories above
    /// it are made, owned by root.
    func write(_ path: String, _ content: [UInt8], mode: UInt32, owner: UInt32 = 0, group: UInt32 = 0) throws {
        let location = try locate(path)
        let number = location.directory.number
        let name = location.name
        let unfinished = ".\(name.prefix(200)).dish-new"
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
        if mkdirat(number, name, 0o755) != 0, errno != EEXIST { throw SystemError("create directory", path) }
        let made = try open(path, O_RDONLY | O_DIRECTORY)
        try own(made.number, path, mode: mode, owner: owner, group: group)
    }

    /// Makes a symbolic link, replacing what has its name, but for a directory.
    func makeSymlink(_ path: String, to target: String) throws {
        let location = try locate(path)
        let number = location.directory.number
        let name = location.name
        let unfinished = ".\(name.prefix(200)).dish-new"
        try retryingInterrupts("create symbolic link", path) { symlinkat(target, number, unfinished) }
        if renameat(number, unfinished, number, name) != 0 {
            let error = SystemError("create symbolic link", path)
            unlinkat(number, unfinished, 0)
            throw error
        }
    }

    /// Whether anything has this name; a link at its end is not followed.
    func exists(_ path: String) -> Bool {
        (try? open(path, DISH_O_PATH | O_NOFOLLOW)) != nil
    }

    private func own(_ file: CInt, _ path: String, mode: UInt32, owner: UInt32, group: UInt32) throws {
        try retryingInterrupts("set owner of", path) { fchown(file, owner, group) }
        // After the owner: changing that clears the set-id bits.
        try retryingInterrupts("set mode of", path) { fchmod(file, mode) }
    }

    private func open(_ path: String, _ flags: CInt) throws(SystemError) -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(flags | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        let root = directory.number
        let opened = try retryingInterrupts("open", path) { dish_openat2(root, path, &how) }
        return OwnedFD(adopting: opened)
    }

    private func locate(_ path: String) throws -> Location {
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last else { throw BuildError(.path, "'\(path)' is the root itself") }
        var current = "/"
        var opened = try open(current, O_RDONLY | O_DIRECTORY)
        for part in parts.dropLast() {
            let next = current == "/" ? "/\(part)" : "\(current)/\(part)"
            if !exists(next) {
                let number = opened.number
                try retryingInterrupts("create directory", next) { mkdirat(number, part, 0o755) }
            }
            opened = try open(next, O_RDONLY | O_DIRECTORY)
            current = next
        }
        return Location(directory: opened, name: name)
    }
}

/// The directory a path lies in, and its name there.
private struct Location: ~Copyable {
    let directory: OwnedFD
    let name: String
}
