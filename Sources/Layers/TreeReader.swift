import CLinux
import Dispatch
import Glibc
import Linux
import Synchronization

/// Reads trees from disk: all of them, or what a baseline doesn't have.
///
/// All access is by directory descriptor and without following links, so a hostile tree leads nowhere.
struct TreeReader: ~Copyable {
    private var nodes: [TreeNode] = []
    private let root: OwnedFD
    /// The root's device number.
    private let device: UInt64
    private let latestTime: Int64?
    private let baseline: TreeBaseline?
    private let written: WrittenContent?
    /// Regular files to hash, each inode once, by one of its paths.
    private var files: [(inode: UInt64, path: [UInt8])] = []
    private var waiting: [UInt64: [Int]] = [:]
    /// How deep the directory lies that is being read. Each one above it is open meanwhile.
    private var depth = 0
    private var meter = TreeMeter()
    /// Far below what a process may have open, and far above what is in images.
    private static let greatestDepth = 255

    /// The nodes of a tree, with contents.
    ///
    /// - Parameters:
    ///   - latestTime: later modification times are first set to it on disk.
    ///   - written: files that needn't be read.
    static func read(
        _ root: String, latestTime: Int64?, baseline: TreeBaseline?, written: WrittenContent? = nil
    ) throws -> [TreeNode] {
        try readNoting(root, latestTime: latestTime, baseline: baseline, written: written).nodes
    }

    /// The same, and the paths of the files that it read.
    static func readNoting(
        _ root: String, latestTime: Int64?, baseline: TreeBaseline?, written: WrittenContent?
    ) throws -> (nodes: [TreeNode], files: [[UInt8]]) {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        let number = directory.number
        try retryingInterrupts("stat", root) { fstat(number, &status) }
        let top = try directory.duplicate()
        var reader = TreeReader(
            root: directory, device: UInt64(status.st_dev), latestTime: latestTime, baseline: baseline, written: written)
        try reader.add(name: [], path: [], status, parent: number, descriptor: consume top)
        try reader.addContents()
        return (reader.nodes, reader.files.map(\.path))
    }

    private init(
        root: consuming OwnedFD, device: UInt64, latestTime: Int64?, baseline: TreeBaseline?, written: WrittenContent?
    ) {
        self.root = root
        self.device = device
        self.latestTime = latestTime
        self.baseline = baseline
        self.written = written
    }

    /// Puts the digest of their content into all nodes of regular files.
    private mutating func addContents() throws {
        let files = files
        let descriptor = root.number
        let results = Mutex(
            (digests: [ContentDigest](repeating: ContentDigest(), count: files.count), failure: (any Error)?.none))
        let chunk = 16
        let cancellation = Cancellation.current
        DispatchQueue.concurrentPerform(iterations: (files.count + chunk - 1) / chunk) { index in
            guard results.withLock({ $0.failure == nil }) else { return }
            let range = index * chunk..<min(files.count, (index + 1) * chunk)
            let hashed = Result {
                try Cancellation.joining(cancellation) { try files[range].map { try Self.hash($0.path, below: descriptor) } }
            }
            results.withLock { all in
                switch hashed {
                case .success(let digests): all.digests.replaceSubrange(range, with: digests)
                case .failure(let error): all.failure = error
                }
            }
        }
        let digests = try results.withLock { all in
            if let failure = all.failure { throw failure }
            return all.digests
        }
        for (file, digest) in zip(files, digests) {
            for index in waiting[file.inode] ?? [] {
                guard case .file(let size, _) = nodes[index].kind else { continue }
                nodes[index].kind = .file(size: size, content: digest)
            }
        }
    }

    private mutating func add(
        name: [UInt8], path: [UInt8], _ status: stat, parent: CInt, descriptor: consuming OwnedFD?
    ) throws {
        let index = nodes.count
        let type = status.st_mode & S_IFMT
        // A nested subvolume has a device number of its own, and the same inode numbers again.
        let inode = UInt64(status.st_ino) ^ (UInt64(status.st_dev) == device ? 0 : UInt64(status.st_dev) << 40)
        nodes.append(
            TreeNode(
                name: name, kind: .special(type: 0), mode: status.st_mode & 0o7777, user: status.st_uid,
                group: status.st_gid, seconds: Int64(status.st_mtim.tv_sec),
                nanoseconds: UInt32(status.st_mtim.tv_nsec), attributes: [], inode: inode,
                isLinked: type != S_IFDIR && status.st_nlink > 1))
        switch type {
        case S_IFREG:
            let size = UInt64(status.st_size)
            if let digest = written?.digest(of: inode, size: size) {
                nodes[index].kind = .file(size: size, content: digest)
                break
            }
            nodes[index].kind = .file(size: size, content: ContentDigest())
            if waiting[inode] == nil {
                try meter.addBytes(path.count)
                files.append((inode, path))
            }
            waiting[inode, default: []].append(index)
        case S_IFLNK:
            nodes[index].mode = 0o777
            let target = try readLink(name, parent, path)
            try meter.addBytes(target.count)
            nodes[index].kind = .link(target: target)
        case S_IFCHR, S_IFBLK:
            nodes[index].kind = .device(
                type: UInt8(ascii: type == S_IFCHR ? "c" : "b"), major: dish_major(UInt64(status.st_rdev)),
                minor: dish_minor(UInt64(status.st_rdev)))
        case S_IFIFO: nodes[index].kind = .special(type: UInt8(ascii: "p"))
        case S_IFSOCK: nodes[index].kind = .special(type: UInt8(ascii: "s"))
        default: break
        }
        if type == S_IFDIR {
            guard let directory = descriptor else { throw SystemError("open directory", text(path), code: ENOTDIR) }
            nodes[index].kind = .directory
            nodes[index].attributes = try readAttributes(
                Array("/proc/self/fd/\(directory.number)".utf8), follow: true, path, &meter)
            try addChildren(of: directory, path)
            nodes[index].descendants = nodes.count - index - 1
            try clamp(index, directory.number, [], path)
        } else {
            // Attributes have no *at calls; the parent's descriptor pins the directory.
            let pinned = Array("/proc/self/fd/\(parent)/".utf8) + name
            nodes[index].attributes = try readAttributes(pinned, follow: false, path, &meter)
            try clamp(index, parent, name, path)
        }
    }

    private mutating func addChildren(of directory: borrowing OwnedFD, _ path: [UInt8]) throws {
        try Cancellation.check()
        let number = directory.number
        guard depth <= Self.greatestDepth else {
            throw PoolError(
                .invalid,
                "the directory '\(text(path).prefix(200))…' lies \(depth) directories deep, and layers go no deeper than \(Self.greatestDepth); don't make it, or remove it"
            )
        }
        depth += 1
        defer { depth -= 1 }
        for (name, inode) in try readEntries(of: number, path, &meter) {
            if let unchanged = baseline?.unchanged(inode) {
                let index = nodes.count
                // The first of them is an entry, which is counted.
                try meter.addNodes(unchanged.count - 1)
                nodes += unchanged
                nodes[index].name = name
                continue
            }
            try meter.addNodes(0)
            let child = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            var status = stat()
            try retryingInterrupts("stat", text(child)) {
                withPath(name) { fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }
            }
            var opened: OwnedFD?
            if status.st_mode & S_IFMT == S_IFDIR {
                opened = OwnedFD(
                    adopting: try retryingInterrupts("open directory", text(child)) {
                        withPath(name) { dish_openat(number, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) }
                    })
            }
            try add(name: name, path: child, status, parent: number, descriptor: opened)
        }
    }

    private mutating func clamp(_ index: Int, _ at: CInt, _ name: [UInt8], _ path: [UInt8]) throws {
        guard let latest = latestTime, nodes[index].seconds >= latest else { return }
        if nodes[index].seconds > latest || nodes[index].nanoseconds > 0 {
            try retryingInterrupts("set time of", text(path)) {
                withPath(name) { dish_set_mtime(at, $0, latest) }
            }
            nodes[index].seconds = latest
            nodes[index].nanoseconds = 0
        }
    }

    private static func hash(_ path: [UInt8], below root: CInt) throws -> ContentDigest {
        try FileDigest.read(openFile(path, below: root), text(path))
    }

    /// Opens a regular file of a tree for reading. It never waits: in a tree that somebody writes to, something else may have taken the
    /// file's place.
    ///
    /// - Throws: `SystemError` with `EINVAL` for what is no regular file.
    static func openFile(_ path: [UInt8], below root: CInt) throws -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME_IF_ALLOWED)
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        let file = OwnedFD(
            adopting: try retryingInterrupts("open", text(path)) { withPath(path) { dish_openat2(root, $0, &how) } })
        var status = stat()
        let number = file.number
        try retryingInterrupts("stat", text(path)) { fstat(number, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("read, since it is no regular file any more,", text(path), code: EINVAL)
        }
        return file
    }
}

/// O_NOATIME isn't visible to Swift; root may always use it.
private let O_NOATIME_IF_ALLOWED: CInt = 0o1000000

func text(_ path: [UInt8]) -> String { "/" + String(decoding: path, as: UTF8.self) }

func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (path + [0]).withUnsafeBytes { try body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
}
