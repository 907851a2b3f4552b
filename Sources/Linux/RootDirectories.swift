import CLinux
public import Glibc

/// Making what is missing below a directory that may be anybody's, and is taken as the root directory.
extension OwnedFD {
    /// Linux follows as many (path_resolution(7)).
    private static let linkLimit = 40

    /// Makes a directory and those above it, as far as they are missing. They belong to the caller. Links are followed as they lead
    /// inside, also those that lead to nothing yet.
    ///
    /// - Parameter mode: of the last one, when it is made; others have 0755.
    /// - Throws: `SystemError` with `ENOTDIR` for what isn't a directory, naming it.
    public borrowing func makeDirectories(inRoot path: String, mode: mode_t = 0o755) throws(SystemError) {
        _ = try resolve(path, mode: mode)
    }

    /// Makes an empty file with the directories above it, unless there is something in its place.
    public borrowing func makeFile(inRoot path: String) throws(SystemError) {
        let names = path.split(separator: "/").map(String.init)
        guard let name = names.last, !contains(path) else { return }
        let above = "/" + (try resolve(names.dropLast().joined(separator: "/"), mode: 0o755)).joined(separator: "/")
        let directory = try open(inRoot: above, O_RDONLY | O_DIRECTORY)
        let number = directory.number
        let file: CInt
        do {
            file = try retryingInterrupts("create", path) {
                dish_openat(number, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
            }
        } catch  where error.code == EEXIST {
            // A link that leads to nothing.
            return
        }
        // Not by open(2): that would depend on this process's umask.
        fchmod(file, 0o644)
        close(file)
    }

    /// - Returns: the names on the way to the directory, none of them a link.
    private borrowing func resolve(_ path: String, mode: mode_t) throws(SystemError) -> [String] {
        var open = Array(path.split(separator: "/").map(String.init).reversed())
        var done: [String] = []
        var links = 0
        while let name = open.popLast() {
            if name == "." { continue }
            if name == ".." {
                _ = done.popLast()
                continue
            }
            let place = "/" + (done + [name]).joined(separator: "/")
            let parent = try directory(done)
            let number = parent.number
            var status = stat()
            if fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) != 0 {
                guard errno == ENOENT else { throw SystemError("look at", place) }
                try retryingInterrupts("create directory", place) { mkdirat(number, name, 0o700) }
                done.append(name)
                // Not by mkdir(2): that would depend on this process's umask.
                let made = try directory(done)
                let descriptor = made.number
                try retryingInterrupts("set mode of", place) { fchmod(descriptor, open.isEmpty ? mode : 0o755) }
            } else if status.st_mode & S_IFMT == S_IFLNK {
                links += 1
                guard links <= Self.linkLimit else { throw SystemError("create directory", path, code: ELOOP) }
                let target = try Self.target(of: name, in: number, place)
                if target.hasPrefix("/") { done = [] }
                open += target.split(separator: "/").map(String.init).reversed()
            } else if status.st_mode & S_IFMT == S_IFDIR {
                done.append(name)
            } else {
                throw SystemError("use as a directory", place, code: ENOTDIR)
            }
        }
        return done
    }

    private borrowing func directory(_ names: [String]) throws(SystemError) -> OwnedFD {
        let path = names.isEmpty ? "." : names.joined(separator: "/")
        var how = open_how()
        how.flags = UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        let root = number
        return OwnedFD(adopting: try retryingInterrupts("open", "/\(path)") { dish_openat2(root, path, &how) })
    }

    private static func target(of name: String, in directory: CInt, _ place: String) throws(SystemError) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try retryingInterrupts("read link", place) {
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress.map { readlinkat(directory, name, $0, buffer.count) } ?? -1
            }
        }
        guard let text = String(validating: bytes[..<Int(count)], as: UTF8.self) else {
            throw SystemError("follow the link", place, code: EILSEQ)
        }
        return text
    }
}
