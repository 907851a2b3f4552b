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
        guard try Self.hasOddMachineID(etc) else { return }
        try Self.keepingTimes(of: etc) {
            let number = etc.number
            try retryingInterrupts("remove", "\(path)/etc/machine-id") { unlinkat(number, "machine-id", 0) }
        }
    }

    public func pathTakenAway(from root: String) throws -> String? {
        guard let etc = try Self.etc(of: root) else { return nil }
        return try Self.hasOddMachineID(etc) ? "/etc/machine-id" : nil
    }

    /// What runs inside may have made it anew: that stays.
    public func restore(root path: String, from snapshot: String) throws {
        guard let old = try Self.etc(of: snapshot), try Self.hasOddMachineID(old), let new = try Self.etc(of: path)
        else { return }
        var status = stat()
        guard fstatat(new.number, "machine-id", &status, AT_SYMLINK_NOFOLLOW) != 0, errno == ENOENT else { return }
        try Self.keepingTimes(of: new) { try TreeCopy.copy(Self.machineID, in: old, to: new, as: Self.machineID) }
    }

    private static let machineID = Array("machine-id".utf8)

    /// Nil where there is none, or it is no directory.
    private static func etc(of path: String) throws -> OwnedFD? {
        let root = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        return try? root.directory(Array("etc".utf8))
    }

    private static func hasOddMachineID(_ etc: borrowing OwnedFD) throws -> Bool {
        var status = stat()
        guard fstatat(etc.number, "machine-id", &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return false }
            throw SystemError("read", "etc/machine-id")
        }
        return status.st_mode & S_IFMT != S_IFREG && status.st_mode & S_IFMT != S_IFDIR
    }

    private static func keepingTimes(of directory: borrowing OwnedFD, _ body: () throws -> Void) throws {
        let status = try directory.status()
        try body()
        let number = directory.number
        try retryingInterrupts("set times of", "etc") { futimens(number, [status.st_atim, status.st_mtim]) }
    }
}
