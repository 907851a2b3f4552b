import CLinux
import Glibc
import Linux

/// Whole trees of an image being built: removed, and put in from a directory of its own root, where they are unpacked or copied to
/// first.
extension RootDirectory {
    /// Removes a path and all below it; a link at its end is removed, not followed.
    ///
    /// - Returns: false when there was nothing.
    func remove(_ path: String) throws -> Bool {
        guard exists(path) else { return false }
        let location = try locate(path)
        try Self.removeTree(location.name, in: location.directory, path)
        return true
    }

    /// Tells whether there is a directory, and no link to one.
    func isDirectoryItself(_ path: String) throws -> Bool {
        guard exists(path) else { return false }
        let location = try locate(path)
        return Self.type(of: location.name, in: location.directory) == S_IFDIR
    }

    /// Removes all that is in a directory. The directory stays, with its owner and its time.
    func empty(_ path: String) throws {
        let directory = try open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let status = try directory.status()
        do {
            try Files.emptyTree(directory)
        } catch {
            throw SystemError("remove what is in '\(path)': \(error.operation)", error.object, code: error.code)
        }
        let number = directory.number
        try retryingInterrupts("set times of", path) { futimens(number, [status.st_atim, status.st_mtim]) }
    }

    /// A new empty directory at the root, in which something is got ready to be put in.
    ///
    /// - Returns: its name at the root.
    func makeWorkDirectory() throws -> String {
        let name = ".dish-work"
        _ = try remove("/\(name)")
        try makeDirectory("/\(name)", mode: 0o700)
        return name
    }

    /// Gives a tree below the root, links included, to a user and a group.
    func own(_ path: String, user: UInt32, group: UInt32) throws {
        let location = try locate(path)
        try Self.own(location.name, in: location.directory, path, user: user, group: group)
    }

    private static func own(
        _ name: String, in directory: borrowing OwnedFD, _ path: String, user: UInt32, group: UInt32
    ) throws {
        let number = directory.number
        try retryingInterrupts("set owner of", path) { fchownat(number, name, user, group, AT_SYMLINK_NOFOLLOW) }
        guard type(of: name, in: directory) == S_IFDIR else { return }
        let folder = try directory.open(beneath: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        for entry in try Files.list("/proc/self/fd/\(folder.number)") {
            try own(entry, in: folder, "\(path)/\(entry)", user: user, group: group)
        }
    }

    /// Moves a file or a tree to a path. Directories that are there are merged into and keep their mode; other
    /// things that are there are replaced.
    ///
    /// - Parameter source: a path below a work directory, from the root.
    func graft(_ source: String, at path: String) throws {
        let from = try locate(source)
        if path != "/" {
            let to = try locate(path)
            let isMerge = Self.type(of: from.name, in: from.directory) == S_IFDIR && isDirectory(path)
            guard isMerge else { return try Self.move(from, to, path) }
        }
        let folder = try open(source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        for name in try Files.list("/proc/self/fd/\(folder.number)") {
            try graft("\(source)/\(name)", at: path == "/" ? "/\(name)" : "\(path)/\(name)")
        }
    }

    private static func move(_ from: borrowing Location, _ to: borrowing Location, _ path: String) throws {
        let (source, sourceName) = (from.directory.number, from.name)
        let (target, targetName) = (to.directory.number, to.name)
        if type(of: targetName, in: to.directory) == S_IFDIR {
            throw BuildError(.path, "'\(path)' is a directory in the image, and not where it comes from")
        }
        if type(of: sourceName, in: from.directory) == S_IFDIR, type(of: targetName, in: to.directory) != nil {
            try removeTree(targetName, in: to.directory, path)
        }
        try retryingInterrupts("move to", path) { renameat(source, sourceName, target, targetName) }
        // A further name of what is there already.
        unlinkat(source, sourceName, 0)
    }

    /// `S_IFDIR`, `S_IFREG`, …; nil when there is nothing.
    static func type(of name: String, in directory: borrowing OwnedFD) -> mode_t? {
        var status = stat()
        guard fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return status.st_mode & S_IFMT
    }

    static func removeTree(_ name: String, in directory: borrowing OwnedFD, _ path: String) throws {
        do {
            try Files.removeTree(Array(name.utf8), in: directory)
        } catch {
            throw SystemError("remove '\(path)': \(error.operation)", error.object, code: error.code)
        }
    }
}
