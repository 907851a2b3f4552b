import CLinux
import Dispatch
import Glibc
import Linux
import Synchronization

/// One node of a tree in memory.
struct TreeNode {
    enum Kind {
        case file(size: UInt64)
        case directory(children: [Int])
        case link(target: [UInt8])
        case furtherName(of: [UInt8])
        case device(type: UInt8, major: UInt32, minor: UInt32)
        case special(type: UInt8)
    }

    var name: [UInt8]
    var kind: Kind
    var mode: UInt32
    var user: UInt32
    var group: UInt32
    var seconds: Int64
    var nanoseconds: UInt32
    var attributes: [(name: [UInt8], value: [UInt8])]
}

/// What all names of one file have in common.
private struct FileIdentity: Hashable {
    let device: UInt64
    let inode: UInt64
}

/// A tree read from disk: metadata of all nodes, in the order of `docs/layer-format.md`.
///
/// All access is by directory descriptor and without following links, so a hostile tree leads nowhere.
struct TreeWalk {
    private(set) var nodes: [TreeNode] = []
    private(set) var size: Int64 = 0
    private let root: String
    private let latestTime: Int64?
    /// By device and inode: each nested subvolume has a device number of its own, and the same inode numbers again.
    private var firstNames: [FileIdentity: [UInt8]] = [:]
    /// Paths of regular files, by node.
    private var files: [(node: Int, path: [UInt8])] = []

    init(_ root: String, latestTime: Int64?) throws {
        self.root = root
        self.latestTime = latestTime
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var status = stat()
        let number = directory.number
        try retryingInterrupts("stat", root) { fstat(number, &status) }
        try add(name: [], path: [], status, parent: number, descriptor: consume directory)
    }

    /// Nodes that come from elsewhere than a disk; the first is the root.
    init(nodes: [TreeNode]) {
        self.nodes = nodes
        root = ""
        latestTime = nil
    }

    /// SHA-256 of each regular file, by node.
    func hashContents() throws -> [Int: [UInt8]] {
        let results = Mutex<Result<[Int: [UInt8]], any Error>>(.success([:]))
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let descriptor = directory.number
        let chunk = 64
        DispatchQueue.concurrentPerform(iterations: (files.count + chunk - 1) / chunk) { index in
            let part = files[index * chunk..<min(files.count, (index + 1) * chunk)]
            let hashed = Result { try part.map { ($0.node, try hashFile($0.path, below: descriptor)) } }
            results.withLock { all in
                switch (all, hashed) {
                case (.success(var digests), .success(let new)):
                    all = .success([:])
                    for (node, digest) in new { digests[node] = digest }
                    all = .success(digests)
                case (.success, .failure(let error)): all = .failure(error)
                case (.failure, _): break
                }
            }
        }
        return try results.withLock { try $0.get() }
    }

    @discardableResult
    private mutating func add(
        name: [UInt8], path: [UInt8], _ status: stat, parent: CInt, descriptor: consuming OwnedFD?
    ) throws -> Int {
        let index = nodes.count
        nodes.append(
            TreeNode(
                name: name, kind: .special(type: 0), mode: status.st_mode & 0o7777, user: status.st_uid,
                group: status.st_gid, seconds: Int64(status.st_mtim.tv_sec),
                nanoseconds: UInt32(status.st_mtim.tv_nsec), attributes: []))
        let type = status.st_mode & S_IFMT
        if type != S_IFDIR, status.st_nlink > 1 {
            let identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
            if let first = firstNames[identity] {
                nodes[index].kind = .furtherName(of: first)
                return index
            }
            firstNames[identity] = path
        }
        switch type {
        case S_IFREG:
            nodes[index].kind = .file(size: UInt64(status.st_size))
            files.append((index, path))
            size += Int64(status.st_size)
        case S_IFLNK:
            nodes[index].mode = 0o777
            nodes[index].kind = .link(target: try readLink(name, parent, path))
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
            nodes[index].attributes = try attributes("/proc/self/fd/\(directory.number)", follow: true, path)
            nodes[index].kind = .directory(children: try children(of: directory, path))
            try clamp(index, directory.number, [], status, path)
        } else {
            // Attributes have no *at calls; the parent's descriptor pins the directory.
            let pinned = Array("/proc/self/fd/\(parent)/".utf8) + name
            nodes[index].attributes = try attributes(pinned, follow: false, path)
            try clamp(index, parent, name, status, path)
        }
        return index
    }

    private mutating func children(of directory: borrowing OwnedFD, _ path: [UInt8]) throws -> [Int] {
        let number = directory.number
        var children: [Int] = []
        for name in try names(in: number, path) {
            let child = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            var status = stat()
            try retryingInterrupts("stat", text(child)) {
                withPath(name) { fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }
            }
            if status.st_mode & S_IFMT == S_IFDIR {
                let opened = try retryingInterrupts("open directory", text(child)) {
                    withPath(name) { dish_openat(number, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) }
                }
                children.append(
                    try add(name: name, path: child, status, parent: number, descriptor: OwnedFD(adopting: opened)))
            } else {
                children.append(try add(name: name, path: child, status, parent: number, descriptor: nil))
            }
        }
        return children
    }

    private mutating func clamp(_ index: Int, _ at: CInt, _ name: [UInt8], _ status: stat, _ path: [UInt8]) throws {
        guard let latest = latestTime, nodes[index].seconds >= latest else { return }
        if nodes[index].seconds > latest || nodes[index].nanoseconds > 0 {
            try retryingInterrupts("set time of", text(path)) {
                withPath(name) { dish_set_mtime(at, $0, latest) }
            }
            nodes[index].seconds = latest
            nodes[index].nanoseconds = 0
        }
    }

    /// The names in a directory, sorted by their bytes.
    private func names(in directory: CInt, _ path: [UInt8]) throws -> [[UInt8]] {
        var names: [[UInt8]] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let count = try retryingInterrupts("read directory", text(path)) {
                dish_getdents64(directory, buffer.baseAddress, UInt(buffer.count))
            }
            if count == 0 { break }
            // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
            var position = 0
            while position < count {
                let length = Int(buffer.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
                let name = Array(buffer[position + 19..<position + length].prefix { $0 != 0 })
                if name != [UInt8(ascii: ".")] && name != Array("..".utf8) { names.append(name) }
                position += length
            }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func readLink(_ name: [UInt8], _ parent: CInt, _ path: [UInt8]) throws -> [UInt8] {
        var target = [UInt8](repeating: 0, count: 4096)
        let count = try retryingInterrupts("read link", text(path)) {
            withPath(name) { name in
                target.withUnsafeMutableBytes {
                    readlinkat(parent, name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
            }
        }
        return Array(target[..<count])
    }

    private func hashFile(_ path: [UInt8], below root: CInt) throws -> [UInt8] {
        var how = open_how()
        how.flags = UInt64(O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME_IF_ALLOWED)
        how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        let opened = try retryingInterrupts("open", text(path)) { withPath(path) { dish_openat2(root, $0, &how) } }
        return try ContentHash.file(OwnedFD(adopting: opened), text(path))
    }
}

/// O_NOATIME isn't visible to Swift; root may always use it.
private let O_NOATIME_IF_ALLOWED: CInt = 0o1000000

private func text(_ path: [UInt8]) -> String { "/" + String(decoding: path, as: UTF8.self) }

func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
    try (path + [0]).withUnsafeBytes { try body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
}

private func attributes(_ path: String, follow: Bool, _ shown: [UInt8]) throws -> [(name: [UInt8], value: [UInt8])] {
    try attributes(Array(path.utf8), follow: follow, shown)
}

/// All extended attributes, sorted by name.
private func attributes(
    _ path: [UInt8], follow: Bool, _ shown: [UInt8]
) throws -> [(name: [UInt8], value: [UInt8])] {
    var list = [UInt8](repeating: 0, count: 1024)
    let length = try grow(&list, "list attributes of", shown) { buffer in
        withPath(path) { dish_listxattr($0, buffer.baseAddress, UInt(buffer.count), follow ? 1 : 0) }
    }
    if length == 0 { return [] }
    var found: [(name: [UInt8], value: [UInt8])] = []
    for name in list[..<length].split(separator: 0).map(Array.init) {
        var value = [UInt8](repeating: 0, count: 256)
        let size = try grow(&value, "read attribute of", shown) { buffer in
            withPath(path) { path in
                withPath(name) { name in
                    dish_getxattr(path, name, buffer.baseAddress, UInt(buffer.count), follow ? 1 : 0)
                }
            }
        }
        found.append((name, Array(value[..<size])))
    }
    return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
}

/// Calls with a larger buffer until it is large enough.
private func grow(
    _ buffer: inout [UInt8], _ operation: String, _ path: [UInt8],
    _ call: (UnsafeMutableBufferPointer<CChar>) -> Int
) throws -> Int {
    while true {
        let count = buffer.withUnsafeMutableBytes { call($0.bindMemory(to: CChar.self)) }
        if count >= 0 { return count }
        guard errno == ERANGE, buffer.count < 1 << 20 else { throw SystemError(operation, text(path)) }
        buffer = [UInt8](repeating: 0, count: buffer.count * 8)
    }
}
