import CLinux
import Glibc
import Linux

/// Copies a path from one tree to the same place in another that somebody may be changing. Everything goes from one open directory to
/// a name in it, no link is followed on the way, so nothing outside of the two trees is read or written.
///
/// Both are on one file system: files share their content. Hard links become files of their own.
public struct TreeRestore {
    public struct Result: Sendable, Codable, Equatable {
        /// Where it is now, links on the way resolved.
        public internal(set) var path: String
        /// Files of all types, directories included.
        public internal(set) var entries = 0
        /// Of regular files.
        public internal(set) var bytes: UInt64 = 0
    }

    private var result: Result
    /// Directories that are copied, from the topmost on.
    private var levels: [Level] = []
    private static let mostOpen = 64

    private final class Level {
        let name: [UInt8]
        /// Nil for those far above the ones that are read: they are opened again from below.
        var open: (source: OpenDirectory, target: OpenDirectory)?
        private let places: (source: stat, target: stat)
        let names: DirectoryNames
        var next = 0

        init(_ name: [UInt8], from source: OpenDirectory, to target: OpenDirectory) throws {
            self.name = name
            open = (source, target)
            places = (try source.file.status(), try target.file.status())
            var meter = TreeMeter()
            names = try DirectoryNames(of: source.file.number, &meter) { text(name) }
        }

        /// Opens both again as the directories that two others are in.
        func reopen(above lower: (source: OpenDirectory, target: OpenDirectory)) throws {
            let source = try lower.source.file.parentDirectory()
            let target = try lower.target.file.parentDirectory()
            let (from, into) = (try source.status(), try target.status())
            guard from.st_ino == places.source.st_ino, into.st_ino == places.target.st_ino, into.st_dev == places.target.st_dev
            else { throw SystemError("restore into a directory that was moved meanwhile", text(name), code: ESTALE) }
            open = (OpenDirectory(source), OpenDirectory(target))
        }
    }

    /// - Parameter path: in both; links are resolved as in the first of them.
    static func restore(_ path: String, from source: String, to target: String) throws -> Result {
        let root = try OwnedFD.open(source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last, !parts.contains(".."), !parts.contains(".") else {
            throw PoolError(.invalid, "'\(path)' is no path of a file or directory in it, like /etc/motd")
        }
        let parent = try openParent("/" + parts.dropLast().joined(separator: "/"), of: path, in: root)
        // The same place in the other tree, whatever its links say.
        let resolved = try location(parent).dropFirst(location(root).count)
        let directories = resolved.split(separator: UInt8(ascii: "/")).map { Array($0) }
        var restore = TreeRestore(
            result: Result(path: "/" + (directories.map { String(decoding: $0, as: UTF8.self) } + [name]).joined(separator: "/")))
        var status = stat()
        let number = parent.number
        guard fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw missing(path) }
        let into = try restore.openDirectory(
            directories, from: root, to: try OwnedFD.open(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
        do {
            try restore.copyTree(Array(name.utf8), from: OpenDirectory(parent), to: OpenDirectory(into))
        } catch let error as SystemError where error.code == EDQUOT || error.code == ENOSPC {
            throw PoolError(
                .full, "restore '\(path)': \(error); make room, or raise the limit: dish update --disk, dish volume resize")
        }
        return restore.result
    }

    private init(result: Result) { self.result = result }

    private static func openParent(_ parent: String, of path: String, in root: borrowing OwnedFD) throws -> OwnedFD {
        do {
            return try root.open(inRoot: parent, O_RDONLY | O_DIRECTORY)
        } catch {
            throw error.code == ENOENT || error.code == ENOTDIR ? missing(path) as any Error : error
        }
    }

    private static func missing(_ path: String) -> PoolError {
        PoolError(.invalid, "there was no '\(path)' at that moment; see when there was: dish history --path \(path)")
    }

    /// Where an open directory is.
    private static func location(_ directory: borrowing OwnedFD) throws -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let link = "/proc/self/fd/\(directory.number)"
        let count = try retryingInterrupts("read link", link) { readlink(link, &buffer, buffer.count - 1) }
        return buffer[..<count].map { UInt8(bitPattern: $0) }
    }

    /// The directory in the target; those missing are made as the source has them.
    private func openDirectory(
        _ names: [[UInt8]], from source: borrowing OwnedFD, to target: consuming OwnedFD
    ) throws -> OwnedFD {
        var from = try source.duplicate()
        var into = target
        for name in names {
            from = try Self.open(name, in: from, O_RDONLY | O_DIRECTORY)
            let number = into.number
            let isNew = withPath(name) { mkdirat(number, $0, 0o700) } == 0
            if !isNew, errno != EEXIST { throw SystemError("create directory", text(name)) }
            into = try Self.directory(name, in: into)
            if isNew { try Self.adopt(from, into, name) }
        }
        return into
    }

    private static func open(_ name: [UInt8], in directory: borrowing OwnedFD, _ flags: CInt) throws -> OwnedFD {
        let number = directory.number
        return OwnedFD(
            adopting: try retryingInterrupts("open", text(name)) {
                withPath(name) { dish_openat(number, $0, flags | O_NOFOLLOW | O_CLOEXEC, 0) }
            })
    }

    private static func directory(_ name: [UInt8], in parent: borrowing OwnedFD) throws -> OwnedFD {
        do {
            return try open(name, in: parent, O_RDONLY | O_DIRECTORY)
        } catch let error as SystemError where error.code == ENOTDIR || error.code == ELOOP {
            throw PoolError(
                .inUse,
                "where there was the directory '\(text(name))' there is something else now; move it away, then restore again")
        }
    }

    /// Copies what has a name, at any depth. The way back up to a directory that isn't open any more is `..`, as long as that is where
    /// the walk came from.
    private mutating func copyTree(_ name: [UInt8], from source: OpenDirectory, to target: OpenDirectory) throws {
        try copy(name, from: source, to: target)
        while let level = levels.last {
            try Cancellation.check()
            guard let open = level.open else {
                throw SystemError("copy a directory that is not open", text(level.name), code: EBADF)
            }
            if level.next < level.names.count {
                level.next += 1
                try copy(level.names[level.next - 1].name, from: open.source, to: open.target)
                if levels.count > Self.mostOpen { levels[levels.count - 1 - Self.mostOpen].open = nil }
            } else {
                try Self.adopt(open.source.file, open.target.file, level.name)
                levels.removeLast()
                if let above = levels.last, above.open == nil { try above.reopen(above: open) }
            }
        }
    }

    private mutating func copy(_ name: [UInt8], from source: OpenDirectory, to target: OpenDirectory) throws {
        var status = stat()
        let (from, into) = (source.file.number, target.file.number)
        try retryingInterrupts("look at", text(name)) { withPath(name) { fstatat(from, $0, &status, AT_SYMLINK_NOFOLLOW) } }
        result.entries += 1
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return try Self.withoutProtection(of: name, in: into) {
                try replace(name, status, from: source.file, to: target.file)
            }
        }
        try Self.withoutProtection(of: name, in: into) {
            if withPath(name, { mkdirat(into, $0, 0o700) }) != 0, errno != EEXIST {
                throw SystemError("create directory", text(name))
            }
        }
        // The place of a subvolume has nothing to copy, and the subvolume that is there now keeps what it has.
        if status.st_ino == TreeReader.placeholderInode { return }
        let old = OpenDirectory(try Self.open(name, in: source.file, O_RDONLY | O_DIRECTORY))
        let new = OpenDirectory(try Self.directory(name, in: target.file))
        try new.file.removeProtection()
        levels.append(try Level(name, from: old, to: new))
    }

    /// Does something to a name of the target, and once more without the flags that forbid it (`FileProtection`).
    private static func withoutProtection(of name: [UInt8], in directory: CInt, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemError where error.code == EPERM {
            guard try FileProtection.remove(of: name, in: directory) else { throw error }
            try body()
        }
    }

    private mutating func replace(
        _ name: [UInt8], _ status: stat, from source: borrowing OwnedFD, to target: borrowing OwnedFD
    ) throws {
        let (from, into) = (source.number, target.number)
        let unfinished = Array(".dish-\(UInt64.random(in: 0 ... .max)).new".utf8)
        do {
            switch status.st_mode & S_IFMT {
            case S_IFREG: try copyFile(name, unfinished, from: source, to: target, size: UInt64(max(0, status.st_size)))
            case S_IFLNK:
                let link = try readLink(name, from) { text(name) }
                try retryingInterrupts("create link", text(name)) {
                    withPath(link) { link in withPath(unfinished) { symlinkat(link, into, $0) } }
                }
                try Self.adoptSpecial(status, unfinished, in: into)
            default:
                try retryingInterrupts("create", text(name)) {
                    withPath(unfinished) { mknodat(into, $0, status.st_mode, status.st_rdev) }
                }
                try Self.adoptSpecial(status, unfinished, in: into)
            }
            let renamed = withPath(unfinished) { old in withPath(name) { renameat(into, old, into, $0) } }
            if renamed != 0, errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST {
                throw PoolError(
                    .inUse, "where there was the file '\(text(name))' there is a directory now; move it away, then restore again")
            }
            if renamed != 0 { throw SystemError("replace", text(name)) }
        } catch {
            _ = withPath(unfinished) { unlinkat(into, $0, 0) }
            throw error
        }
    }

    private mutating func copyFile(
        _ name: [UInt8], _ unfinished: [UInt8], from source: borrowing OwnedFD, to target: borrowing OwnedFD, size: UInt64
    ) throws {
        let old = try Self.open(name, in: source, O_RDONLY)
        let into = target.number
        let new = OwnedFD(
            adopting: try retryingInterrupts("create", text(name)) {
                withPath(unfinished) { dish_openat(into, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
            })
        try FileData.copy(old, to: new, length: Int64(clamping: size), text(name)) { try Cancellation.check() }
        try Self.adopt(old, new, name)
        result.bytes = result.bytes.saturatingAdd(size)
    }

    /// Gives what is open the attributes, owner, mode and times of another.
    private static func adopt(_ old: borrowing OwnedFD, _ new: borrowing OwnedFD, _ name: [UInt8]) throws {
        var status = stat()
        let (from, to) = (old.number, new.number)
        try retryingInterrupts("look at", text(name)) { fstat(from, &status) }
        try retryingInterrupts("set owner of", text(name)) { fchown(to, status.st_uid, status.st_gid) }
        // After the owner: changing that clears the set-id bits and capabilities.
        try retryingInterrupts("set mode of", text(name)) { fchmod(to, status.st_mode & 0o7777) }
        let target = "/proc/self/fd/\(to)"
        let wanted = try attributes(of: from, name)
        for attribute in wanted {
            try retryingInterrupts("set attribute of", text(name)) {
                withPath(attribute.name) { key in
                    attribute.value.withUnsafeBytes { dish_setxattr(target, key, $0.baseAddress, UInt($0.count), 1) }
                }
            }
        }
        let kept = Set(wanted.map(\.name))
        for attribute in try attributes(of: to, name) where !kept.contains(attribute.name) {
            _ = withPath(attribute.name) { dish_removexattr(target, $0, 1) }
        }
        times(status, to, [])
    }

    private static func adoptSpecial(_ status: stat, _ name: [UInt8], in directory: CInt) throws {
        try retryingInterrupts("set owner of", text(name)) {
            withPath(name) { fchownat(directory, $0, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) }
        }
        times(status, directory, name)
    }

    private static func times(_ status: stat, _ file: CInt, _ name: [UInt8]) {
        _ = withPath(name) {
            dish_set_times(
                file, $0, Int64(status.st_atim.tv_sec), UInt32(status.st_atim.tv_nsec), Int64(status.st_mtim.tv_sec),
                UInt32(status.st_mtim.tv_nsec))
        }
    }

    /// Of an open file.
    private static func attributes(of file: CInt, _ name: [UInt8]) throws -> [TreeNode.Attribute] {
        var meter = TreeMeter()
        return try readAttributes(ExtendedAttributes(of: file), &meter) { text(name) }
    }
}
