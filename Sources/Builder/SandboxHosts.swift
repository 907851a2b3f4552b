import CLinux
import Glibc
import Linux

/// The names of the sandbox itself in a root's `/etc/hosts`, for as long as something runs in it: scripts of packages ask for the host's
/// full name. What is there of the image's own stays before them.
enum SandboxHosts {
    static let path = "/etc/hosts"

    private static let lines = Array(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tbuild.localdomain build\n".utf8)
    private static let limit = 1 << 20

    /// Adds the names. A root without `/etc`, and one whose `/etc/hosts` is no file of its own, stays as it is.
    ///
    /// - Parameter onlyIfMissing: whether one that the image has stays as it is.
    static func add(to root: String, onlyIfMissing: Bool = false) throws {
        guard let folder = try etc(of: root) else { return }
        if try status(in: folder) == nil {
            try keepingTimes(of: folder) {
                let number = folder.number
                let created = try retryingInterrupts("create", path) {
                    dish_openat(number, "hosts", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
                }
                let file = OwnedFD(adopting: created)
                try retryingInterrupts("set mode of", path) { fchmod(file.number, 0o644) }
                try Files.write(lines, to: file.number, path)
            }
        } else if !onlyIfMissing, let file = try open(in: folder), try file.status().st_size <= limit / 2 {
            let own = try file.readAll(path, limit: limit)
            let isWhole = own.isEmpty || own.last == UInt8(ascii: "\n")
            try write(own + (isWhole ? [] : [UInt8(ascii: "\n")]) + lines, to: file, times: try file.status())
        }
    }

    /// Takes the names away, and the file with them when there was none and the step added nothing.
    ///
    /// - Parameter snapshot: of the root, from before they were added.
    static func remove(from root: String, before snapshot: String) throws {
        guard let folder = try etc(of: root), let file = try open(in: folder) else { return }
        var rest = try file.readAll(path, limit: 2 * limit)
        guard let range = rest.firstRange(of: lines) else { return }
        rest.removeSubrange(range)
        if let old = try content(of: snapshot) {
            // A line that wasn't ended was, for the names to follow.
            let isSame = rest == old.bytes || rest == old.bytes + [UInt8(ascii: "\n")]
            try write(isSame ? old.bytes : rest, to: file, times: isSame ? old.status : nil)
        } else if rest.isEmpty {
            try keepingTimes(of: folder) {
                let number = folder.number
                try retryingInterrupts("remove", path) { unlinkat(number, "hosts", 0) }
            }
        } else {
            try write(rest, to: file, times: nil)
        }
    }

    /// Tells whether two roots have the same file, or none.
    static func isSame(_ first: String, _ second: String) throws -> Bool {
        try content(of: first)?.bytes == content(of: second)?.bytes
    }

    private static func content(of root: String) throws -> (bytes: [UInt8], status: stat)? {
        guard let folder = try etc(of: root), let file = try open(in: folder) else { return nil }
        return (try file.readAll(path, limit: 2 * limit), try file.status())
    }

    /// Nil where there is none, or it is no directory.
    private static func etc(of root: String) throws -> OwnedFD? {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        return try? directory.directory(Array("etc".utf8))
    }

    private static func status(in folder: borrowing OwnedFD) throws -> stat? {
        var status = stat()
        if fstatat(folder.number, "hosts", &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        guard errno == ENOENT else { throw SystemError("read status of", path) }
        return nil
    }

    /// Nil for a link, what isn't a regular file, has other names, or is larger than any such list.
    private static func open(in folder: borrowing OwnedFD) throws -> OwnedFD? {
        guard let seen = try status(in: folder), isUsable(seen) else { return nil }
        let number = folder.number
        let opened = try retryingInterrupts("open", path) {
            dish_openat(number, "hosts", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
        }
        let file = OwnedFD(adopting: opened)
        guard isUsable(try file.status()) else { return nil }
        return file
    }

    private static func isUsable(_ status: stat) -> Bool {
        status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1 && status.st_size <= limit
    }

    private static func write(_ content: [UInt8], to file: borrowing OwnedFD, times: stat?) throws {
        let number = file.number
        try retryingInterrupts("truncate", path) { ftruncate(number, 0) }
        lseek(number, 0, SEEK_SET)
        try Files.write(content, to: number, path)
        if let times { try retryingInterrupts("set times of", path) { futimens(number, [times.st_atim, times.st_mtim]) } }
    }

    private static func keepingTimes(of folder: borrowing OwnedFD, _ body: () throws -> Void) throws {
        let status = try folder.status()
        try body()
        let number = folder.number
        try retryingInterrupts("set times of", "/etc") { futimens(number, [status.st_atim, status.st_mtim]) }
    }
}
