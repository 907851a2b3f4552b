import CLinux
import Glibc

/// Reading files of a tree that others wrote: a task's, an image's, a volume's.
extension OwnedFD {
    /// The largest file that `readFile` reads unless told otherwise.
    public static var fileLimit: Int { 1 << 20 }

    /// Everything in a regular file, with this directory taken as the root. Links are followed inside that root. A FIFO, a device
    /// or a socket is refused without waiting for it.
    ///
    /// - Parameter limit: largest length in bytes; at most this much is read, whatever the file grows to.
    /// - Throws: `SystemError` with `ENOENT` when there is no such file, `EINVAL` when it isn't a regular file, `EFBIG` when it is
    ///   larger than the limit.
    public borrowing func readFile(inRoot path: String, limit: Int = fileLimit) throws(SystemError) -> [UInt8] {
        let file = try openFile(inRoot: path)
        return try file.readAll(path, limit: limit)
    }

    /// The content as `readFile` gives it, or nil when there is no such file.
    public borrowing func readFileIfPresent(
        inRoot path: String, limit: Int = fileLimit
    ) throws(SystemError) -> [UInt8]? {
        do {
            return try readFile(inRoot: path, limit: limit)
        } catch  where error.code == ENOENT || error.code == ENOTDIR {
            return nil
        }
    }

    /// Opens a regular file for reading, with this directory taken as the root; never waits.
    ///
    /// - Throws: `SystemError` with `EINVAL` when it isn't a regular file.
    public borrowing func openFile(inRoot path: String, following: Bool = true) throws(SystemError) -> OwnedFD {
        let noFollow = following ? 0 : O_NOFOLLOW
        // Opening a device may already do something: its type is known before.
        let place = try open(inRoot: path, DISH_O_PATH | noFollow)
        try place.requireFile(path)
        return try place.reopened(path, O_RDONLY)
    }

    /// Everything in this open regular file from its present offset on, bounded.
    public borrowing func readAll(_ path: String, limit: Int = fileLimit) throws(SystemError) -> [UInt8] {
        let status = try requireFile(path)
        guard status.st_size <= limit else { throw SystemError(Self.tooLarge(limit), path, code: EFBIG) }
        let number = number
        var length = 0
        // One byte more, to see one that grew.
        var capacity = min(Int(status.st_size), limit) + 1
        var content = [UInt8](repeating: 0, count: capacity)
        while true {
            let (start, end) = (length, capacity)
            let count = try retryingInterrupts("read", path) {
                content.withUnsafeMutableBytes { Glibc.read(number, $0.baseAddress! + start, end - start) }
            }
            if count == 0 { break }
            length += count
            guard length <= limit else { throw SystemError(Self.tooLarge(limit), path, code: EFBIG) }
            if length == capacity {
                capacity = min(capacity * 2, limit + 1)
                content += repeatElement(0, count: capacity - length)
            }
        }
        content.removeSubrange(length...)
        return content
    }

    /// The descriptor's status.
    ///
    /// - Throws: `SystemError` with `EINVAL` when it isn't a regular file.
    @discardableResult
    private borrowing func requireFile(_ path: String) throws(SystemError) -> stat {
        var status = stat()
        let number = number
        try retryingInterrupts("read status of", path) { fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("read, since it is not a regular file,", path, code: EINVAL)
        }
        return status
    }

    /// What a descriptor opened with `O_PATH` names, opened; there is no second look at its path.
    ///
    /// - Parameter flags: `O_NONBLOCK`, `O_NOCTTY` and `O_CLOEXEC` are added.
    public borrowing func reopened(_ path: String, _ flags: CInt) throws(SystemError) -> OwnedFD {
        let link = "/proc/self/fd/\(number)"
        let opened = try retryingInterrupts("open", path) {
            dish_open(link, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
        }
        return OwnedFD(adopting: opened)
    }

    private static func tooLarge(_ limit: Int) -> String { "read, since it is larger than \(limit) bytes," }
}
