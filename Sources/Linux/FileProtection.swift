import CLinux
import Glibc

/// The flags `immutable` and `append-only` (chattr(1)), which keep even root from changing a file or a directory's entries.
public enum FileProtection {
    private static let flags = DISH_FS_IMMUTABLE | DISH_FS_APPEND

    static func isSet(on file: CInt) -> Bool {
        var flags: UInt32 = 0
        // A file system without such flags protects nothing.
        return dish_get_file_flags(file, &flags) == 0 && flags & Self.flags != 0
    }

    /// Removes them from an open directory and from what has a name in it.
    ///
    /// - Parameter name: empty for the directory alone.
    /// - Returns: whether one of both had them.
    public static func remove(of name: FileName, in directory: CInt) throws(SystemError) -> Bool {
        let wasDirectory = try remove(directory)
        var status = stat()
        // Other types can't be opened without doing something, and have no such flags.
        guard !name.isEmpty, name.withCString({ fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0,
            status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFDIR
        else { return wasDirectory }
        let opened = name.withCString {
            dish_openat(directory, $0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
        }
        guard opened >= 0 else { return wasDirectory }
        let wasProtected = try OwnedFD(adopting: opened).removeProtection()
        return wasDirectory || wasProtected
    }

    /// Removes them from what is open.
    ///
    /// - Returns: whether it had one of them.
    static func remove(_ file: CInt) throws(SystemError) -> Bool {
        var flags: UInt32 = 0
        // A file system without such flags protects nothing.
        guard dish_get_file_flags(file, &flags) == 0 else { return false }
        let kept = flags & ~Self.flags
        if kept == flags { return false }
        try retryingInterrupts("remove the flags of an immutable file") { dish_set_file_flags(file, kept) }
        return true
    }
}
