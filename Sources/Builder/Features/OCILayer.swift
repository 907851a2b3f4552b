import CLinux
import Glibc
import Layers
import Linux

/// Applying a layer of an OCI image (image-spec, layer.md): its files over what is there, and its whiteouts.
extension OCIImage {
    func apply(_ layer: Layer, to root: String) async throws {
        let found = try await blocking { try ContentHash.file(try OwnedFD.open(layer.path, O_RDONLY), layer.path) }
        guard "sha256:\(hexadecimal(found))" == layer.digest else {
            throw BuildError(.path, "'\(layer.path)' doesn't have the digest it is named by; the layout is damaged")
        }
        let work = try await blocking { try RootDirectory(root).makeWorkDirectory() }
        try await Archive(layer.path).unpack(into: "\(root)/\(work)", keepingOwners: true)
        try await blocking {
            let directory = try RootDirectory(root)
            let from = try directory.open(work, O_RDONLY | O_DIRECTORY)
            let to = try directory.open("/", O_RDONLY | O_DIRECTORY)
            try Self.overlay(from, on: to, isRoot: true)
            _ = try directory.remove("/\(work)")
        }
    }

    private static let whiteout = ".wh."
    private static let opaque = ".wh..wh..opq"

    /// Links in the image are replaced, not followed: each step is one name in an open directory.
    private static func overlay(_ from: borrowing OwnedFD, on to: borrowing OwnedFD, isRoot: Bool = false) throws {
        let names = try Files.list("/proc/self/fd/\(from.number)")
        let (source, target) = (from.number, to.number)
        if names.contains(opaque) {
            for name in try Files.list("/proc/self/fd/\(target)") where !(isRoot && name == ".dish-work") {
                try RootDirectory.removeTree(name, in: to, name)
            }
        }
        for name in names where name.hasPrefix(whiteout) && name != opaque {
            let hidden = String(name.dropFirst(whiteout.count))
            guard !hidden.isEmpty, hidden != ".", hidden != "..", RootDirectory.type(of: hidden, in: to) != nil else { continue }
            try RootDirectory.removeTree(hidden, in: to, hidden)
        }
        for name in names where !name.hasPrefix(whiteout) {
            let isDirectory = RootDirectory.type(of: name, in: from) == S_IFDIR
            if let there = RootDirectory.type(of: name, in: to), !(isDirectory && there == S_IFDIR) {
                try RootDirectory.removeTree(name, in: to, name)
            }
            guard isDirectory else {
                try retryingInterrupts("move", name) { renameat(source, name, target, name) }
                continue
            }
            if mkdirat(target, name, 0o700) != 0, errno != EEXIST { throw SystemError("create directory", name) }
            let inner = try from.open(beneath: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            let outer = try to.open(beneath: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            var status = stat()
            try retryingInterrupts("read", name) { fstat(inner.number, &status) }
            try overlay(inner, on: outer)
            let number = outer.number
            try retryingInterrupts("set owner of", name) { fchown(number, status.st_uid, status.st_gid) }
            try retryingInterrupts("set mode of", name) { fchmod(number, status.st_mode & 0o7777) }
            try retryingInterrupts("set time of", name) { dish_set_mtime(number, "", Int64(status.st_mtim.tv_sec)) }
        }
    }
}
