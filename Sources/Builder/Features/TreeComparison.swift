import Glibc
import Linux

/// Which path differs between a tree and a snapshot of it taken before: by inode, without reading any content.
///
/// A step wrote the tree: the walk goes from name to name by descriptor, at any depth, with one directory of each tree open.
struct TreeComparison {
    let before: String
    let after: String
    /// Paths that may differ, with all below them.
    let ignoring: [String]

    /// The first path that differs, in the order of the bytes of names; nil when none does.
    func first() throws -> String? {
        let old = try OwnedFD.open(before, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let new = try OwnedFD.open(after, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var walk = Walk(old, new, ignoring.map { Array($0.utf8) })
        return try walk.first()
    }
}

private struct Walk: ~Copyable {
    private struct Level {
        /// Nil in a directory that is new, and holds outputs.
        let old: stat?
        let new: stat
        /// Names that are still to be compared, the last one first.
        var waiting: [FileName]
        /// Bytes of the path.
        let length: Int
    }

    /// Bytes of the names that are remembered, and of the path. Trees with more are none that somebody compares.
    private static let mostBytes = 256 << 20

    /// The directory of the snapshot; while the tree's is new, the one above it.
    private var old: OwnedFD
    private var new: OwnedFD
    private var levels: [Level] = []
    private var path: FileName = []
    private var bytes = 0
    private let ignoring: [FileName]

    init(_ old: consuming OwnedFD, _ new: consuming OwnedFD, _ ignoring: [FileName]) {
        self.old = old
        self.new = new
        self.ignoring = ignoring
    }

    mutating func first() throws -> String? {
        try enter(isNew: false)
        while !levels.isEmpty {
            let last = levels.count - 1
            path.removeSubrange(levels[last].length...)
            guard let name = levels[last].waiting.popLast() else {
                try leave()
                continue
            }
            bytes -= name.count
            path += [UInt8(ascii: "/")] + name
            if try differs(name, isNew: levels[last].old == nil) { return shownName(path) }
        }
        return nil
    }

    /// Compares an entry; of a directory only the entry, and the walk goes on in it.
    private mutating func differs(_ name: FileName, isNew: Bool) throws -> Bool {
        try Cancellation.check()
        if ignoring.contains(path) { return false }
        let left = isNew ? nil : try Self.status(name, in: old)
        guard let right = try Self.status(name, in: new) else { return true }
        guard let left else {
            // A directory that holds an output may be new.
            let (outputs, inside) = (ignoring, path + [UInt8(ascii: "/")])
            guard Self.isDirectory(right), outputs.contains(where: { $0.starts(with: inside) }) else { return true }
            let inner = try new.directory(name)
            new = inner
            try enter(isNew: true)
            return false
        }
        if !Self.isSame(left, right) { return true }
        guard Self.isDirectory(right) else { return false }
        let oldInner = try old.directory(name)
        let newInner = try new.directory(name)
        old = oldInner
        new = newInner
        try enter(isNew: false)
        return false
    }

    private mutating func enter(isNew: Bool) throws {
        var names = Set(try new.names())
        if !isNew { names.formUnion(try old.names()) }
        bytes += names.reduce(0) { $0 + $1.count }
        guard bytes + path.count <= Self.mostBytes else {
            let start = shownName(Array(path.prefix(60)))
            throw BuildError(.path, "compare what the step changed: below '\(start)…' are too many or too long names")
        }
        let waiting = names.sorted { $1.lexicographicallyPrecedes($0) }
        levels.append(Level(old: isNew ? nil : try old.status(), new: try new.status(), waiting: waiting, length: path.count))
    }

    private mutating func leave() throws {
        let done = levels.removeLast()
        guard !levels.isEmpty else { return }
        let (oldStatus, newStatus) = (levels[levels.count - 1].old, levels[levels.count - 1].new)
        let newParent = try Self.parent(of: new, newStatus)
        new = newParent
        guard done.old != nil, let status = oldStatus else { return }
        let oldParent = try Self.parent(of: old, status)
        old = oldParent
    }

    private static func parent(of directory: borrowing OwnedFD, _ expected: stat) throws -> OwnedFD {
        let parent = try directory.parentDirectory()
        let status = try parent.status()
        guard status.st_dev == expected.st_dev, status.st_ino == expected.st_ino else {
            throw SystemError("compare a tree that was moved meanwhile", code: ESTALE)
        }
        return parent
    }

    private static func isSame(_ left: stat, _ right: stat) -> Bool {
        guard left.st_ino == right.st_ino, left.st_mode == right.st_mode, left.st_uid == right.st_uid,
            left.st_gid == right.st_gid, left.st_rdev == right.st_rdev
        else { return false }
        // What a directory holds is compared; its times follow from it.
        if isDirectory(right) { return true }
        let isSameContent =
            left.st_size == right.st_size && left.st_mtim.tv_sec == right.st_mtim.tv_sec
            && left.st_mtim.tv_nsec == right.st_mtim.tv_nsec
        let isUntouched = left.st_ctim.tv_sec == right.st_ctim.tv_sec && left.st_ctim.tv_nsec == right.st_ctim.tv_nsec
        // A further name changes the time of change.
        return isSameContent && (isUntouched || left.st_nlink != right.st_nlink)
    }

    /// Nil for nothing.
    private static func status(_ name: FileName, in directory: borrowing OwnedFD) throws -> stat? {
        var status = stat()
        let number = directory.number
        let result = name.withCString { fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }
        if result == 0 { return status }
        if errno == ENOENT { return nil }
        throw SystemError("read", shownName(name))
    }

    private static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
}
