import CLinux
public import Glibc

/// A file descriptor that is closed when its owner goes.
public struct OwnedFD: ~Copyable, Sendable {
    /// The number, valid as long as this value lives.
    public let number: CInt

    /// Takes over a descriptor that nobody else will close.
    public init(adopting number: CInt) {
        self.number = number
    }

    deinit {
        close(number)
    }

    /// Hands the descriptor over; the caller closes it from now on.
    public consuming func release() -> CInt {
        let number = number
        discard self
        return number
    }

    /// Opens a path; always close-on-exec.
    ///
    /// - Parameter mode: permission bits for a file that `O_CREAT` makes, before the umask.
    public static func open(
        _ path: String, _ flags: CInt, mode: mode_t = 0o644
    ) throws(SystemError) -> OwnedFD {
        let number = try retryingInterrupts("open", path) { dish_open(path, flags | O_CLOEXEC, mode) }
        return OwnedFD(adopting: number)
    }

    /// A second descriptor for the same open file description.
    public func duplicate() throws(SystemError) -> OwnedFD {
        let copy = try retryingInterrupts("duplicate descriptor") { dish_fcntl(number, F_DUPFD_CLOEXEC, 0) }
        return OwnedFD(adopting: copy)
    }

    /// A pidfd (pidfd_open(2)): it names one process for good, and is readable once that has ended.
    public static func ofProcess(_ process: pid_t) throws(SystemError) -> OwnedFD {
        OwnedFD(adopting: try retryingInterrupts("open process", String(process)) { dish_pidfd_open(process) })
    }

    /// Both ends of a pipe.
    public static func pipe() throws(SystemError) -> Pipe {
        var ends: [CInt] = [-1, -1]
        try retryingInterrupts("create pipe") { dish_pipe(&ends) }
        return Pipe(reading: OwnedFD(adopting: ends[0]), writing: OwnedFD(adopting: ends[1]))
    }
}

/// The two ends of a pipe.
public struct Pipe: ~Copyable {
    public var reading: OwnedFD
    public var writing: OwnedFD
}

extension OwnedFD {
    /// Opens a path below this directory that neither `..` nor any link may lead out of (openat2(2),
    /// `RESOLVE_BENEATH`).
    ///
    /// - Throws: `SystemError` with `EXDEV` when it does.
    public borrowing func open(beneath path: String, _ flags: CInt) throws(SystemError) -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(flags | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        let directory = number
        let opened = try retryingInterrupts("open", path) { dish_openat2(directory, path, &how) }
        return OwnedFD(adopting: opened)
    }

    /// Opens a path with this directory taken as the root: absolute links and `..` stay in it (openat2(2),
    /// `RESOLVE_IN_ROOT`).
    public borrowing func open(inRoot path: String, _ flags: CInt) throws(SystemError) -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(flags | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        let directory = number
        let opened = try retryingInterrupts("open", path) { dish_openat2(directory, path, &how) }
        return OwnedFD(adopting: opened)
    }

    /// Whether a path exists in this directory taken as the root.
    public borrowing func contains(_ path: String) -> Bool {
        (try? open(inRoot: path, DISH_O_PATH)) != nil
    }
}

extension OwnedFD {
    /// The longest path that is given to the kernel at once; its own limit is `PATH_MAX`.
    private static let longestPiece = 4000

    /// Opens what lies below a directory, by a path of any length. No link is followed.
    ///
    /// - Parameters:
    ///   - path: without a slash at its beginning; empty for the directory itself.
    ///   - root: a directory that is open.
    ///   - staysOnMount: whether other mounts are refused.
    public static func open(
        _ path: some Sequence<UInt8>, below root: CInt, _ flags: CInt, staysOnMount: Bool = false
    ) throws(SystemError) -> OwnedFD {
        var rest = Array(path)[...]
        var how = open_how()
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | (staysOnMount ? RESOLVE_NO_XDEV : 0))
        var directory: OwnedFD?
        while rest.count > longestPiece,
            let end = rest.prefix(longestPiece).lastIndex(of: UInt8(ascii: "/")), end > rest.startIndex
        {
            how.flags = UInt64(DISH_O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            let piece = try open(rest[..<end], below: directory?.number ?? root, &how)
            directory = consume piece
            rest = rest[(end + 1)...]
        }
        how.flags = UInt64(flags | O_NOFOLLOW | O_CLOEXEC)
        return try open(rest, below: directory?.number ?? root, &how)
    }

    private static func open(
        _ path: ArraySlice<UInt8>, below directory: CInt, _ how: inout open_how
    ) throws(SystemError) -> OwnedFD {
        let name = path.isEmpty ? [UInt8(ascii: ".")] : Array(path)
        let number = try retryingInterrupts("open", "/" + shownName(name)) {
            name.withCString { dish_openat2(directory, $0, &how) }
        }
        return OwnedFD(adopting: number)
    }
}
