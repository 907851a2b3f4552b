import CLinux
import Glibc
import Linux

/// Reads trees from disk: all of them, or what a baseline doesn't have.
///
/// All access is by directory descriptor and without following links, so a hostile tree leads nowhere. Trees may be of any depth, and
/// paths of any length: nothing is opened by its path.
struct TreeReader: ~Copyable {
    /// A directory that is being read.
    private struct Level {
        let node: Int
        let device: dev_t
        let inode: ino_t
        /// Nil for one far above the one that is read: it is opened again from below.
        var directory: OpenDirectory?
        let names: DirectoryNames
        var next = 0
    }

    /// Directories that are open at a time, besides those of files that wait to be hashed.
    private static let mostOpen = 64
    /// The inode of a place where another subvolume was (`BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`).
    static let placeholderInode: ino_t = 2

    private var nodes: TreeNodes
    private var levels: [Level] = []
    /// The root's device number.
    private let device: UInt64
    private let isBtrfs: Bool
    private let latestTime: Int64?
    private let baseline: TreeBaseline?
    private let written: WrittenContent?
    private let properties: Bool
    private let hashing = FileHashing()
    /// The nodes of files that are hashed.
    private var readFiles: [Int] = []
    /// The first node of each file with several names that is hashed, and its others.
    private var firstNames: [UInt64: Int] = [:]
    private var furtherNames: [(node: Int, first: Int)] = []
    private var meter = TreeMeter()

    /// The nodes of a tree, with contents, and those of the files that it read.
    ///
    /// - Parameters:
    ///   - latestTime: later modification times are first set to it on disk.
    ///   - written: files that needn't be read.
    ///   - properties: whether Btrfs' own properties are among the attributes.
    static func read(
        _ root: String, latestTime: Int64? = nil, baseline: TreeBaseline? = nil, written: WrittenContent? = nil,
        properties: Bool = false
    ) throws -> Tree {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let status = try directory.status()
        var reader = TreeReader(
            device: UInt64(status.st_dev), isBtrfs: Self.isBtrfs(directory), latestTime: latestTime,
            baseline: baseline, written: written, properties: properties)
        do {
            try reader.enter([], status, OpenDirectory(directory))
            try reader.walk()
            try reader.takeDigests(reader.hashing.finish())
        } catch let failure as FileHashing.Failure {
            reader.hashing.stop()
            guard let error = failure.error as? SystemError else { throw failure.error }
            throw SystemError(error.operation, reader.shownPath(of: failure.node), code: error.code)
        } catch {
            reader.hashing.stop()
            throw error
        }
        return Tree(nodes: reader.nodes, readFiles: reader.readFiles)
    }

    private init(
        device: UInt64, isBtrfs: Bool, latestTime: Int64?, baseline: TreeBaseline?, written: WrittenContent?, properties: Bool
    ) {
        self.device = device
        self.isBtrfs = isBtrfs
        self.latestTime = latestTime
        self.baseline = baseline
        self.written = written
        self.properties = properties
        nodes = baseline.map { TreeNodes(like: $0.nodes) } ?? TreeNodes()
    }

    private static func isBtrfs(_ directory: borrowing OwnedFD) -> Bool {
        var status = dish_statfs()
        return dish_fstatfs(directory.number, &status) == 0 && status.type == DISH_BTRFS_SUPER_MAGIC
    }

    // MARK: The walk

    private mutating func walk() throws {
        while let level = levels.last {
            guard level.next < level.names.count else {
                try leave()
                continue
            }
            levels[levels.count - 1].next += 1
            let entry = level.names[level.next]
            guard let directory = level.directory else {
                throw SystemError("read a directory that is not open", shownPath(of: level.node), code: EBADF)
            }
            try add(entry.name, entry.inode, isDirectory: entry.isDirectory, in: directory)
        }
    }

    private mutating func add(_ name: [UInt8], _ inode: UInt64, isDirectory: Bool, in directory: OpenDirectory) throws {
        let parent = directory.file.number
        let unchanged = baseline?.unchanged(inode)
        if let unchanged, !isDirectory {
            try meter.addNodes(0)
            return append(name, unchanged)
        }
        try meter.addNodes(0)
        var status = stat()
        try retryingInterrupts("stat", shownPath(name)) {
            withPath(name) { fstatat(parent, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try addLeaf(name, status, in: directory) }
        if isBtrfs, status.st_ino == Self.placeholderInode {
            // The kernel makes it up at each look: there is nothing of it but its name.
            return nodes.append(.placeholder(name))
        }
        // The entry of another subvolume has that one's number, which may be that of a file here.
        if let unchanged, UInt64(status.st_ino) == inode, UInt64(status.st_dev) == device {
            // The first of them is an entry, which is counted.
            try meter.addNodes(unchanged.count - 1)
            return append(name, unchanged)
        }
        let opened = OwnedFD(
            adopting: try retryingInterrupts("open directory", shownPath(name)) {
                withPath(name) { dish_openat(parent, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) }
            })
        try enter(name, status, OpenDirectory(opened))
    }

    /// Appends what is as it was in the baseline, by its present name.
    private mutating func append(_ name: [UInt8], _ unchanged: Range<Int>) {
        guard let source = baseline?.nodes else { return }
        var first = source[unchanged.lowerBound]
        first.name = name
        nodes.append(first)
        nodes.append(unchanged.dropFirst(), of: source)
    }

    /// Adds a directory; what is in it comes next.
    private mutating func enter(_ name: [UInt8], _ status: stat, _ directory: OpenDirectory) throws {
        try Cancellation.check()
        let number = directory.file.number
        var node = node(name, status)
        node.kind = .directory
        var meter = meter
        node.attributes = try readAttributes(ExtendedAttributes(of: number), properties: properties, &meter) {
            shownPath(name)
        }
        let names = try DirectoryNames(of: number, &meter) { shownPath(name) }
        self.meter = meter
        try clamp(&node, number, [], shownPath(name))
        levels.append(
            Level(node: nodes.count, device: status.st_dev, inode: status.st_ino, directory: directory, names: names))
        nodes.append(node)
        if levels.count > Self.mostOpen { levels[levels.count - 1 - Self.mostOpen].directory = nil }
    }

    private mutating func leave() throws {
        let done = levels.removeLast()
        nodes.setDescendants(nodes.count - done.node - 1, at: done.node)
        guard let above = levels.last, above.directory == nil, let directory = done.directory else { return }
        let parent = try directory.file.parentDirectory()
        let status = try parent.status()
        guard status.st_dev == above.device, status.st_ino == above.inode else {
            throw SystemError("read a tree in which a directory was moved meanwhile", shownPath(of: done.node), code: ESTALE)
        }
        levels[levels.count - 1].directory = OpenDirectory(parent)
    }

    // MARK: Nodes

    private func node(_ name: [UInt8], _ status: stat) -> TreeNode {
        // A nested subvolume has a device number of its own, and the same inode numbers again.
        let inode = UInt64(status.st_ino) ^ (UInt64(status.st_dev) == device ? 0 : UInt64(status.st_dev) << 40)
        return TreeNode(
            name: name, kind: .special(type: 0), mode: status.st_mode & 0o7777, user: status.st_uid, group: status.st_gid,
            seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(status.st_mtim.tv_nsec), attributes: [], inode: inode,
            isLinked: status.st_mode & S_IFMT != S_IFDIR && status.st_nlink > 1)
    }

    private mutating func addLeaf(_ name: [UInt8], _ status: stat, in directory: OpenDirectory) throws {
        let parent = directory.file.number
        var node = node(name, status)
        var isRead = false
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let size = UInt64(status.st_size)
            let digest = written?.digest(of: node.inode, size: size)
            node.kind = .file(size: size, content: digest ?? ContentDigest())
            isRead = digest == nil
        case S_IFLNK:
            node.mode = 0o777
            let target = try readLink(name, parent) { shownPath(name) }
            try meter.addBytes(target.count)
            node.kind = .link(target: target)
        case S_IFCHR, S_IFBLK:
            node.kind = .device(
                type: UInt8(ascii: status.st_mode & S_IFMT == S_IFCHR ? "c" : "b"),
                major: dish_major(UInt64(status.st_rdev)), minor: dish_minor(UInt64(status.st_rdev)))
        case S_IFIFO: node.kind = .special(type: UInt8(ascii: "p"))
        default: node.kind = .special(type: UInt8(ascii: "s"))
        }
        var meter = meter
        node.attributes = try readAttributes(ExtendedAttributes(of: parent, name), properties: properties, &meter) {
            shownPath(name)
        }
        self.meter = meter
        try clamp(&node, parent, name, shownPath(name))
        let index = nodes.count
        nodes.append(node)
        if isRead { try read(index, node, in: directory) }
    }

    /// Has a file's content hashed, once for all its names.
    private mutating func read(_ index: Int, _ node: TreeNode, in directory: OpenDirectory) throws {
        if node.isLinked {
            if let first = firstNames[node.inode] { return furtherNames.append((index, first)) }
            firstNames[node.inode] = index
        }
        readFiles.append(index)
        try hashing.add(index, node.name, in: directory)
        takeDigests(hashing.takeDone(), furtherToo: false)
    }

    private mutating func takeDigests(_ digests: [(node: Int, digest: ContentDigest)], furtherToo: Bool = true) {
        for (node, digest) in digests { nodes.setDigest(digest, at: node) }
        guard furtherToo else { return }
        for (node, first) in furtherNames {
            if let content = nodes.content(first) { nodes.setDigest(content.digest, at: node) }
        }
    }

    private func clamp(_ node: inout TreeNode, _ at: CInt, _ name: [UInt8], _ path: @autoclosure () -> String) throws {
        guard let latest = latestTime, node.seconds >= latest else { return }
        if node.seconds > latest || node.nanoseconds > 0 {
            try retryingInterrupts("set time of", path()) { withPath(name) { dish_set_mtime(at, $0, latest) } }
            node.seconds = latest
            node.nanoseconds = 0
        }
    }

    // MARK: Paths for messages

    /// The path of a name in the directory that is read.
    private func shownPath(_ name: [UInt8]) -> String {
        let names = levels.dropFirst().map { level in nodes.withName(level.node) { Array($0) } } + [name]
        return Self.shorten(names)
    }

    private func shownPath(of node: Int) -> String {
        // Of directories that are read the end isn't known yet.
        let open = Set(levels.map(\.node))
        var above: [(node: Int, end: Int)] = []
        for index in 0..<node where nodes.isDirectory(index) {
            while let last = above.last, index >= last.end { above.removeLast() }
            above.append((index, open.contains(index) ? .max : index + 1 + nodes.descendants(index)))
        }
        while let last = above.last, node >= last.end { above.removeLast() }
        return Self.shorten((above.dropFirst().map(\.node) + [node]).map { index in nodes.withName(index) { Array($0) } })
    }

    private static func shorten(_ names: [[UInt8]]) -> String { shortened(Array(names.joined(separator: [UInt8(ascii: "/")]))) }

    // MARK: Files

    /// Opens a regular file of a tree for reading, by a path of any length. It never waits: in a tree that somebody writes to, something
    /// else may have taken the file's place.
    ///
    /// - Throws: `SystemError` with `EINVAL` for what is no regular file.
    static func openFile(_ path: [UInt8], below root: CInt) throws -> OwnedFD {
        let file = try OwnedFD.open(
            path, below: root, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME_IF_ALLOWED)
        var status = stat()
        let number = file.number
        try retryingInterrupts("stat", shortened(path)) { fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("read, since it is no regular file any more,", shortened(path), code: EINVAL)
        }
        return file
    }
}

/// O_NOATIME isn't visible to Swift; root may always use it.
private let O_NOATIME_IF_ALLOWED: CInt = 0o1000000

func text(_ path: [UInt8]) -> String { "/" + String(decoding: path, as: UTF8.self) }

/// A path for messages, without its middle when it is long.
func shortened(_ path: [UInt8]) -> String {
    path.count <= 4096 ? text(path) : text(Array(path.prefix(200))) + "…" + String(decoding: path.suffix(200), as: UTF8.self)
}

func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (path + [0]).withUnsafeBytes { try body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
}
