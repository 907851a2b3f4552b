import CLinux
import Glibc
import Linux

/// Takes out of a Debian tree what differs between two installations of the same packages, and what must not be
/// shared by everything that runs from it.
public enum DebianTidy {
    /// Directories whose content goes.
    private static let emptied = ["var/cache/apt", "var/lib/apt/lists", "var/log", "tmp", "var/tmp"]

    /// Files that go: caches, backups, logs, and what each task gets of its own at its start.
    private static let removed = [
        "etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
        "etc/resolv.conf", "etc/hostname", "var/cache/ldconfig/aux-cache", "var/lib/dpkg/status-old",
        "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old", "var/lib/dpkg/available-old",
        "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock", "var/cache/debconf/config.dat-old",
        "var/cache/debconf/templates.dat-old", "var/lib/systemd/random-seed", "var/lib/systemd/catalog/database",
        "var/lib/dbus/machine-id", "usr/sbin/policy-rc.d",
    ]

    /// - Parameters:
    ///   - root: a tree that nothing runs in. Links in it are not followed.
    ///   - searchesByteCode: whether byte code of Python is looked for, which takes a walk through the tree; everything
    ///     else has a place where it is.
    /// - Returns: keys that were taken away, which each task makes when it is first booted.
    @discardableResult
    public static func tidy(root: String, searchesByteCode: Bool = true) throws -> [InstalledKey] {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        for path in emptied { try empty(path, in: directory) }
        for path in removed { try remove(path, in: directory) }
        let keys = try InstalledKey.remove(from: directory)
        if searchesByteCode {
            try removeByteCode("usr/lib/python3", in: directory)
            try removeByteCode("usr/share", in: directory)
        }
        try forgetPasswordDates(in: directory)
        forgetMachineID(in: directory)
        return keys
    }

    /// An empty file lets systemd take the id its manager gives it, and write it down.
    private static func forgetMachineID(in root: borrowing OwnedFD) {
        guard let etc = try? root.open(beneath: "etc", O_RDONLY | O_DIRECTORY) else { return }
        var status = stat()
        // What is as it should be stays untouched: it need not be read again for the layer's id.
        if fstatat(etc.number, "machine-id", &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode == S_IFREG | 0o444,
            status.st_size == 0, status.st_uid == 0, status.st_gid == 0, status.st_nlink == 1
        {
            return
        }
        unlinkat(etc.number, "machine-id", 0)
        let file = dish_openat(etc.number, "machine-id", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o444)
        if file >= 0 { close(file) }
    }

    private static func parent(of path: String, in root: borrowing OwnedFD) -> OwnedFD? {
        guard path.contains("/") else { return try? root.duplicate() }
        return try? root.open(beneath: Files.parent(of: path), O_RDONLY | O_DIRECTORY)
    }

    private static func remove(_ path: String, in root: borrowing OwnedFD) throws {
        guard let parent = parent(of: path, in: root) else { return }
        guard unlinkat(parent.number, Files.name(of: path), 0) == 0 || errno == ENOENT else {
            throw SystemError("remove", "/\(path)")
        }
    }

    /// Keeps the directories of logs and caches, whose owners and modes the packages chose.
    private static func empty(_ path: String, in root: borrowing OwnedFD) throws {
        guard let directory = try? root.open(beneath: path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return }
        let keepsFolders = path.hasPrefix("var/log") || path.hasPrefix("var/cache") || path.hasPrefix("var/lib")
        guard keepsFolders else { return try Files.emptyTree(directory) }
        let number = directory.number
        for name in try Files.list("/proc/self/fd/\(number)") {
            var status = stat()
            guard fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try empty("\(path)/\(name)", in: root)
            } else {
                try retryingInterrupts("remove", "/\(path)/\(name)") { unlinkat(number, name, 0) }
            }
        }
    }

    private static func removeByteCode(_ path: String, in root: borrowing OwnedFD) throws {
        guard let folder = try? root.open(beneath: path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return }
        let number = folder.number
        for name in try Files.list("/proc/self/fd/\(number)") {
            var status = stat()
            guard fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                try removeByteCode("\(path)/\(name)", in: root)
                if name == "__pycache__" { unlinkat(number, name, CInt(AT_REMOVEDIR)) }
            } else if name.hasSuffix(".pyc") {
                unlinkat(number, name, 0)
            }
        }
    }

    /// The third field of shadow(5) is the day of the last change: the day of the build.
    private static func forgetPasswordDates(in root: borrowing OwnedFD) throws {
        guard let etc = try? root.open(beneath: "etc", O_RDONLY | O_DIRECTORY),
            // A FIFO is opened for both at once, and a device might do something.
            let place = try? etc.open(beneath: "shadow", DISH_O_PATH | O_NOFOLLOW),
            try place.status().st_mode & S_IFMT == S_IFREG, let file = try? place.reopened("/etc/shadow", O_RDWR)
        else { return }
        let old = try file.readAll("/etc/shadow", limit: 16 << 20)
        let lines = String(decoding: old, as: UTF8.self).split(separator: "\n").map { line in
            var fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count == 9 { fields[2] = "" }
            return fields.joined(separator: ":") + "\n"
        }
        let new = Array(lines.joined().utf8)
        guard new != old else { return }
        let number = file.number
        try retryingInterrupts("truncate", "/etc/shadow") { ftruncate(number, 0) }
        lseek(number, 0, SEEK_SET)
        try Files.write(new, to: number, "/etc/shadow")
    }
}
