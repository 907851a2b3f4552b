import CLinux
import Glibc
import Linux

extension Nspawn {
    /// systemd-nspawn opens `etc/machine-id` below the root by name, as the host's root: a pipe there holds it up for ever, and a link
    /// leads it to any file or device of the host. What isn't a regular file is taken away; an init makes it anew.
    public func prepare(root path: String) throws {
        let root = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        let directory = root.number
        guard fstatat(directory, "etc", &status, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw RuntimeError(
                .invalid,
                "'/etc' in '\(path)' is no directory, and systemd-nspawn would look for it on the host; make it one in the image")
        }
        let etc = try root.open(beneath: "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let number = etc.number
        guard fstatat(number, "machine-id", &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT != S_IFREG,
            status.st_mode & S_IFMT != S_IFDIR
        else { return }
        try retryingInterrupts("remove", "\(path)/etc/machine-id") { unlinkat(number, "machine-id", 0) }
    }
}
