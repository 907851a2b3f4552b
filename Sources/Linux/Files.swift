import CLinux
public import Glibc

/// Whole-file operations on paths that this program owns: its own state, never a task's tree.
public enum Files {
    /// Everything in a file, as bytes.
    public static func read(_ path: String) throws(SystemError) -> [UInt8] {
        let file = try OwnedFD.open(path, O_RDONLY)
        return try read(file, path)
    }

    /// Everything that can still be read from a descriptor.
    public static func read(_ file: borrowing OwnedFD, _ path: String) throws(SystemError) -> [UInt8] {
        var content: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { chunk.deallocate() }
        let number = file.number
        while true {
            let count = try retryingInterrupts("read", path) { Glibc.read(number, chunk.baseAddress, chunk.count) }
            if count == 0 { return content }
            content.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
        }
    }

    /// A file's content as text, bytes that are not UTF-8 replaced.
    public static func readText(_ path: String) throws(SystemError) -> String {
        String(decoding: try read(path), as: UTF8.self)
    }

    /// The content as text, or nil when there is no such file.
    public static func readTextIfPresent(_ path: String) throws(SystemError) -> String? {
        do {
            return try readText(path)
        } catch  where error.code == ENOENT {
            return nil
        }
    }

    /// Writes all bytes; partial writes are continued.
    public static func write(_ bytes: some Collection<UInt8>, to file: CInt, _ path: String) throws(SystemError) {
        var left = ContiguousArray(bytes)[...]
        while !left.isEmpty {
            let count = try retryingInterrupts("write", path) {
                left.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            }
            left = left.dropFirst(count)
        }
    }

    /// Writes to an existing control file (a sysfs or cgroup attribute) in one write.
    public static func set(_ path: String, _ value: String) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY)
        let number = file.number
        var value = value
        try retryingInterrupts("write '\(value)' to", path) {
            value.withUTF8 { Glibc.write(number, $0.baseAddress, $0.count) }
        }
    }

    /// Replaces a file so that a reader, or a power cut, sees either the old content or the new.
    ///
    /// - Parameters:
    ///   - durable: whether the new content and its name must have reached the disk on return.
    ///   - syncsName: whether that is so of the name too. Where it isn't, a power cut may still bring the old content back, until
    ///     the caller syncs the directory or the file system.
    public static func replace(
        _ path: String, with bytes: some Collection<UInt8>, mode: mode_t = 0o644, durable: Bool = true,
        syncsName: Bool = true
    ) throws(SystemError) {
        try replace(path, mode: mode, durable: durable, syncsName: syncsName) { file, name throws(SystemError) in
            try write(bytes, to: file, name)
        }
    }

    /// The same with content that is written piece by piece.
    ///
    /// - Parameter body: writes to a file that is open, whose path it is given for messages.
    public static func replace(
        _ path: String, mode: mode_t = 0o644, durable: Bool = true, syncsName: Bool = true,
        body: (_ file: CInt, _ name: String) throws(SystemError) -> Void
    ) throws(SystemError) {
        let unfinished = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).new"
        let file = try OwnedFD.open(unfinished, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        do {
            try body(file.number, unfinished)
            if durable {
                let number = file.number
                try retryingInterrupts("sync", unfinished) { fdatasync(number) }
            }
            try retryingInterrupts("rename '\(unfinished)' to", path) { rename(unfinished, path) }
        } catch {
            unlink(unfinished)
            throw error
        }
        if durable, syncsName { try syncDirectory(parent(of: path)) }
    }

    /// Makes the names in a directory durable.
    public static func syncDirectory(_ path: String) throws(SystemError) {
        let directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        let number = directory.number
        try retryingInterrupts("sync", path) { fsync(number) }
    }

    /// Makes a directory and the missing ones above it; one that exists is left as it is.
    public static func makeDirectories(_ path: String, mode: mode_t = 0o755) throws(SystemError) {
        if mkdir(path, mode) == 0 { return }
        let code = errno
        switch code {
        case EEXIST:
            guard isDirectory(path) else { throw SystemError("create directory", path, code: ENOTDIR) }
        case ENOENT:
            try makeDirectories(parent(of: path), mode: mode)
            try retryingInterrupts("create directory", path) {
                let result = mkdir(path, mode)
                return result != 0 && errno == EEXIST ? 0 : result
            }
        default:
            throw SystemError("create directory", path, code: code)
        }
    }

    /// The names in a directory, without `.` and `..`, sorted.
    public static func list(_ path: String) throws(SystemError) -> [String] {
        let directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        return try directory.names().map { String(decoding: $0, as: UTF8.self) }.sorted()
    }

    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// When a file's content was written last, in nanoseconds since 1970; 0 of one that isn't there.
    public static func modified(_ path: String) -> Int64 {
        var status = stat()
        return lstat(path, &status) == 0 ? Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec) : 0
    }

    /// - Parameter followsLink: whether a link to a directory is one too.
    public static func isDirectory(_ path: String, followsLink: Bool = true) -> Bool {
        var status = stat()
        return fstatat(AT_FDCWD, path, &status, followsLink ? 0 : AT_SYMLINK_NOFOLLOW) == 0
            && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Tells whether there is a regular file; links aren't followed.
    public static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// The path made absolute against the working directory, with `.`, `..` and `//` resolved by
    /// name only: it need not exist.
    public static func absolute(_ path: String) -> String {
        var full = path
        if !path.hasPrefix("/") {
            let current = getcwd(nil, 0)
            defer { free(current) }
            full = (current.map { String(cString: $0) } ?? "/") + "/" + path
        }
        var parts: [Substring] = []
        for part in full.split(separator: "/") {
            switch part {
            case ".": continue
            case "..": _ = parts.popLast()
            default: parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The absolute path without symbolic links, as far as it exists.
    public static func resolved(_ path: String) -> String {
        let path = absolute(path)
        if let resolved = realpath(path, nil) {
            defer { free(resolved) }
            return String(cString: resolved)
        }
        if path == "/" { return path }
        let parent = resolved(Self.parent(of: path))
        return (parent == "/" ? "" : parent) + "/" + name(of: path)
    }

    /// The path up to its last component.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The last component of a path.
    public static func name(of path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }
}
