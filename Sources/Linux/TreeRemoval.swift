import CLinux
import Glibc

/// Removes trees that others wrote, by descriptor: at any depth, with any names, whatever flags `chattr` has set.
///
/// One directory is open at a time. The way back up is `..`, which is used only while it is the directory that the walk came from.
struct TreeRemoval: ~Copyable {
    private struct Level {
        /// Its name in the level above.
        let name: FileName
        let device: dev_t
        let inode: ino_t
        /// Directories that were found in it and not removed yet.
        var waiting: [FileName] = []
        /// How often it had something new in it when it was to be removed.
        var attempts = 0
    }

    /// Directories of one level that are remembered at a time, as long as those of all levels are few enough.
    private static let waitingLimit = 4096
    /// Directories of all levels; beyond them each level remembers as many as are worth another look at it.
    private static let totalLimit = 65_536
    private static let leastLimit = 16
    /// How often a directory that something is put into meanwhile is emptied anew.
    private static let attemptLimit = 100

    private var current: OwnedFD
    private var levels: [Level]
    /// Directories that are remembered.
    private var remembered = 0

    /// Removes what has a name in a directory, and all below it. Nothing there is no error.
    static func remove(_ name: FileName, in directory: borrowing OwnedFD) throws(SystemError) {
        var status = stat()
        let number = directory.number
        // On a read-only file system too nothing there is no error.
        if name.withCString({ fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }) != 0, errno == ENOENT { return }
        guard try !unlink(name, in: directory) else { return }
        for attempt in 1...attemptLimit {
            let opened: OwnedFD
            do {
                opened = try directory.directory(name)
            } catch  where error.code == ENOENT {
                return
            }
            var removal = try TreeRemoval(opened, name)
            try removal.empty()
            do {
                return try removeDirectory(name, in: directory)
            } catch  where error.code == ENOTEMPTY && attempt < attemptLimit {}
        }
    }

    /// Removes all that is in an open directory.
    static func empty(_ directory: borrowing OwnedFD) throws(SystemError) {
        var removal = try TreeRemoval(try directory.duplicate(), [])
        try removal.empty()
    }

    private init(_ top: consuming OwnedFD, _ name: FileName) throws(SystemError) {
        let status = try top.status()
        levels = [Level(name: name, device: status.st_dev, inode: status.st_ino)]
        current = top
    }

    private mutating func empty() throws(SystemError) {
        while true {
            let last = levels.count - 1
            if levels[last].waiting.isEmpty {
                levels[last].waiting = try removeFiles()
                remembered += levels[last].waiting.count
            }
            if let name = levels[last].waiting.popLast() {
                remembered -= 1
                try descend(name)
            } else if last == 0 {
                return
            } else {
                try ascend()
            }
        }
    }

    /// Removes what isn't a directory, and returns directories that are there.
    private borrowing func removeFiles() throws(SystemError) -> [FileName] {
        var directories: [FileName] = []
        let most = max(Self.leastLimit, min(Self.waitingLimit, Self.totalLimit - remembered))
        try current.forEachEntry { entry throws(SystemError) in
            let isDone = entry.type != S_IFDIR ? try Self.unlink(entry.name, in: current) : false
            if !isDone { directories.append(entry.name) }
            return directories.count < most
        }
        return directories
    }

    private mutating func descend(_ name: FileName) throws(SystemError) {
        // Most directories of a deep tree have others in them, most of a broad one are empty or have files: neither is known.
        let opened: OwnedFD
        do {
            opened = try current.directory(name)
        } catch  where error.code == ENOENT {
            return
        }
        let status = try opened.status()
        levels.append(Level(name: name, device: status.st_dev, inode: status.st_ino))
        current = opened
    }

    private mutating func ascend() throws(SystemError) {
        let done = levels.removeLast()
        let above = levels[levels.count - 1]
        let parent = try current.parentDirectory()
        let status = try parent.status()
        guard status.st_dev == above.device, status.st_ino == above.inode else {
            throw SystemError("remove directory, which was moved meanwhile,", shownName(done.name), code: ESTALE)
        }
        current = parent
        do {
            try Self.removeDirectory(done.name, in: current)
        } catch  where error.code == ENOTEMPTY && done.attempts < Self.attemptLimit {
            let again = try? current.directory(done.name)
            guard let again else { return }
            let status = try again.status()
            var level = Level(name: done.name, device: status.st_dev, inode: status.st_ino)
            level.attempts = done.attempts + 1
            levels.append(level)
            current = again
        }
    }

    /// - Returns: false for a directory.
    private static func unlink(_ name: FileName, in directory: borrowing OwnedFD) throws(SystemError) -> Bool {
        let number = directory.number
        var hasTried = false
        while true {
            if name.withCString({ unlinkat(number, $0, 0) }) == 0 { return true }
            let code = errno
            switch code {
            case EINTR: continue
            case ENOENT: return true
            case EISDIR: return false
            case EPERM where !hasTried:
                hasTried = true
                // Of a directory POSIX wants EPERM too.
                var status = stat()
                if name.withCString({ fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0,
                    status.st_mode & S_IFMT == S_IFDIR
                {
                    return false
                }
                try removeProtection(of: name, in: directory, S_IFREG)
            default: throw SystemError("remove", shownName(name), code: code)
            }
        }
    }

    private static func removeDirectory(_ name: FileName, in directory: borrowing OwnedFD) throws(SystemError) {
        let number = directory.number
        var hasTried = false
        while true {
            if name.withCString({ unlinkat(number, $0, CInt(AT_REMOVEDIR)) }) == 0 { return }
            let code = errno
            switch code {
            case EINTR: continue
            case ENOENT: return
            case EPERM where !hasTried:
                hasTried = true
                try removeProtection(of: name, in: directory, S_IFDIR)
            default: throw SystemError("remove directory", shownName(name), code: code)
            }
        }
    }

    /// What forbids the removal may be of the directory or of the entry.
    private static func removeProtection(
        of name: FileName, in directory: borrowing OwnedFD, _ type: mode_t
    ) throws(SystemError) {
        try directory.removeProtection()
        let number = directory.number
        var status = stat()
        // Others can't be opened without doing something, and have no such flags.
        guard name.withCString({ fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0, status.st_mode & S_IFMT == type
        else { return }
        let opened = name.withCString {
            dish_openat(number, $0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
        }
        guard opened >= 0 else { return }
        try OwnedFD(adopting: opened).removeProtection()
    }
}

extension Files {
    /// Removes what has a name in a directory, and all below it, links not followed; nothing there is no error.
    public static func removeTree(_ name: FileName, in directory: borrowing OwnedFD) throws(SystemError) {
        try TreeRemoval.remove(name, in: directory)
    }

    /// Removes all that is in an open directory.
    public static func emptyTree(_ directory: borrowing OwnedFD) throws(SystemError) {
        try TreeRemoval.empty(directory)
    }

    /// Removes a tree; nothing there is no error. Does not cross into other file systems.
    public static func removeTree(_ path: String) throws(SystemError) {
        let name = name(of: path)
        let directory: OwnedFD
        do {
            directory = try OwnedFD.open(parent(of: path), O_RDONLY | O_DIRECTORY)
        } catch  where error.code == ENOENT {
            return
        }
        do {
            try TreeRemoval.remove(Array(name.utf8), in: directory)
        } catch {
            throw SystemError("remove '\(path)': \(error.operation)", error.object, code: error.code)
        }
    }
}
