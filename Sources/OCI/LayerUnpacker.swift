import CLinux
import Glibc
public import Linux

/// Puts a layer of an OCI image (image-spec, layer.md) over what is in a root: its files, and its whiteouts.
public final class LayerUnpacker {
    /// How an archive is read.
    public struct Rules: Sendable {
        /// Whether names that begin with `.wh.` remove things.
        public var hasWhiteouts = true
        /// Whether owners are the archive's; else all of it belongs to root.
        public var keepsOwners = true
        /// Whether a directory of the archive leaves a link alone that leads to a directory inside the root, as dpkg does.
        public var keepsDirectoryLinks = false
        /// How many first components of each name are left out.
        public var strip = 0

        /// Those of an image's layer.
        public init() {}
    }

    private let root: ImageRoot
    private let rules: Rules
    /// Names that this layer has put there, with the directories above them: its whiteouts don't hide them.
    private var own = PathSet()
    /// The times that directories get when all is done: changing what is in one changes its time.
    private var directoryTimes: [[UInt8]: (seconds: Int64, nanoseconds: UInt32)] = [:]
    /// The directory that was opened last: archives list a directory's files together.
    private var last: (path: [UInt8], directory: Opened)?
    /// Bytes of the paths in `directoryTimes`.
    private var directoryBytes = 0
    /// Entries that the archive may still have, and directories that may be made for them.
    private var room = ArchiveLimits.mostEntries
    private var mostDirectoryBytes = 0
    /// Devices that were left out (`DeviceNode`).
    public private(set) var leftOut = LeftOutNodes()
    /// Their names: there is nothing for further names to link to.
    private var missing = PathSet()

    private final class Opened: Sendable {
        let file: OwnedFD
        init(_ file: consuming OwnedFD) { self.file = file }
    }

    /// - Parameter root: a directory that nobody else changes meanwhile.
    public init(root: String, rules: Rules = Rules()) throws {
        self.root = try ImageRoot(root)
        self.rules = rules
    }

    /// Unpacks an archive that isn't compressed.
    ///
    /// - Parameters:
    ///   - descriptor: a file or a pipe; it is read to its end.
    ///   - limit: the most bytes the archive may have.
    /// - Returns: the digest of the archive.
    /// - Throws: `OCIError`, whose text names the entry; `SystemError`.
    public func unpack(_ descriptor: CInt, limit: UInt64) throws -> BlobDigest {
        try unpack(descriptor, ArchiveLimits(bytes: limit))
    }

    /// The same with a limit of entries, too.
    public func unpack(_ descriptor: CInt, _ limits: ArchiveLimits) throws -> BlobDigest {
        (room, mostDirectoryBytes) = (limits.entries, limits.directoryBytes)
        var reader = TarReader(ArchiveInput(descriptor, limit: limits.bytes), entries: limits.entries)
        while let entry = try reader.next() {
            do {
                try put(entry, &reader)
            } catch let error as OCIError {
                throw OCIError(error.code, "entry '\(shown(entry.path))': \(error)")
            } catch let error as SystemError {
                if error.code == ENOSPC || error.code == EDQUOT { throw error }
                throw OCIError(.damaged, "entry '\(shown(entry.path))': \(error)")
            }
        }
        try setDirectoryTimes()
        return try reader.finish()
    }

    private func put(_ archived: TarEntry, _ reader: inout TarReader) throws {
        guard let path = try EntryPath(archived.path).dropping(rules.strip) else { return }
        var entry = archived
        if !rules.keepsOwners { (entry.user, entry.group) = (0, 0) }
        guard !path.components.isEmpty else {
            // The root itself.
            guard entry.kind == .directory else { throw OCIError(.hostile, "the root is no directory") }
            return try finish(entry, [], directory: root.directory.number)
        }
        if rules.hasWhiteouts, path.name.starts(with: EntryPath.whiteout) { return try hide(path) }
        if rules.keepsDirectoryLinks, entry.kind == .directory, try isDirectoryLink(path) { return }
        let directory = try parent(of: path)
        let (number, name, joined) = (directory.file.number, path.name, path.joined)
        // What has the name below goes, even where nothing takes its place.
        try makeRoom(for: entry, name, in: number)
        own.insert(path)
        if try isLeftOut(entry, path) { return }
        switch entry.kind {
        case .directory:
            if ImageRoot.status(of: name, in: number) == nil {
                try retryingInterrupts("create directory", shown(joined)) { withBytes(name) { mkdirat(number, $0, 0o700) } }
            }
            let made = try ImageRoot.openChild(name, in: number)
            return try finish(entry, joined, directory: made.number)
        case .file: return try write(entry, name, in: number, &reader)
        case .hardLink: return try link(entry, name, in: number)
        case .symbolicLink:
            guard !entry.link.isEmpty, !entry.link.contains(0) else {
                throw OCIError(.damaged, "a symbolic link without a target")
            }
            try retryingInterrupts("create symbolic link", shown(joined)) {
                withBytes(entry.link) { target in withBytes(name) { symlinkat(target, number, $0) } }
            }
            last = nil
        case .characterDevice, .blockDevice, .fifo:
            let type = entry.kind == .characterDevice ? S_IFCHR : entry.kind == .blockDevice ? S_IFBLK : S_IFIFO
            let device = entry.kind == .fifo ? 0 : dish_makedev(entry.major, entry.minor)
            try retryingInterrupts("create device", shown(joined)) {
                withBytes(name) { mknodat(number, $0, type | 0o600, dev_t(device)) }
            }
        }
        try finish(entry, name, in: number)
    }

    private func isDirectoryLink(_ path: EntryPath) throws -> Bool {
        guard let parent = try root.openDirectoryIfPresent(path.parent),
            let there = ImageRoot.status(of: path.name, in: parent.number), there.st_mode & S_IFMT == S_IFLNK
        else { return false }
        return try root.openDirectoryIfPresent(path.joined) != nil
    }

    /// Removes what has the name, unless both are directories.
    private func makeRoom(for entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        guard let there = ImageRoot.status(of: name, in: directory) else { return }
        if ImageRoot.isDirectory(there) || there.st_mode & S_IFMT == S_IFLNK { last = nil }
        if entry.kind == .directory, ImageRoot.isDirectory(there) { return }
        try ImageRoot.remove(name, in: directory)
    }

    /// Whiteouts hide what the layers below have, not what this one has put there.
    private func hide(_ path: EntryPath) throws {
        let name = Array(path.name.dropFirst(EntryPath.whiteout.count))
        last = nil
        guard let parent = try root.openDirectoryIfPresent(path.parent) else { return }
        try keepTime(of: path.parent, parent.number)
        if name.elementsEqual(".wh..opq".utf8) {
            try clear(path.parent)
        } else if !name.starts(with: EntryPath.whiteout) {
            // What starts with it again is a file system's own bookkeeping.
            guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
                throw OCIError(.hostile, "a whiteout of '\(shown(name))'")
            }
            if let inner = try hide(name, in: parent.number, path.parent) { try clear(inner) }
        }
    }

    /// - Returns: the path of a directory that this layer has put there, of which all else is still to be hidden.
    private func hide(_ name: [UInt8], in directory: CInt, _ parent: [UInt8]) throws -> [UInt8]? {
        let path = parent.isEmpty ? name : parent + [UInt8(ascii: "/")] + name
        guard try own.contains(EntryPath(path)) else {
            try ImageRoot.remove(name, in: directory)
            return nil
        }
        guard let status = ImageRoot.status(of: name, in: directory), ImageRoot.isDirectory(status) else { return nil }
        return path
    }

    /// Hides what the layers below have in a directory, with one directory open at a time. The paths are those of the archive, which
    /// the kernel has opened before.
    private func clear(_ path: [UInt8]) throws {
        var waiting = [path]
        while let next = waiting.popLast() {
            try Cancellation.check()
            guard let opened = try root.openDirectoryIfPresent(next) else { continue }
            for name in try ImageRoot.list(opened.number) {
                if let inner = try hide(name, in: opened.number, next) { waiting.append(inner) }
            }
        }
    }

    /// Devices that no image may have, and further names of them.
    private func isLeftOut(_ entry: TarEntry, _ path: EntryPath) throws -> Bool {
        switch entry.kind {
        case .characterDevice, .blockDevice:
            let node = DeviceNode(isBlock: entry.kind == .blockDevice, major: entry.major, minor: entry.minor)
            if node.isHarmless { return false }
        case .hardLink:
            guard !missing.isEmpty, let target = try EntryPath(entry.link).dropping(rules.strip), missing.contains(target) else {
                missing.remove(path)
                return false
            }
        default:
            missing.remove(path)
            return false
        }
        missing.insert(path)
        leftOut.add("/" + shown(path.joined))
        return true
    }

    /// The directory an entry belongs in; missing ones are made.
    private func parent(of path: EntryPath) throws -> Opened {
        let parent = path.parent
        if let last, last.path == parent { return last.directory }
        let opened = Opened(try root.openDirectoryIfPresent(parent) ?? makeDirectories(path))
        try keepTime(of: parent, opened.file.number)
        last = (parent, opened)
        return opened
    }

    private func makeDirectories(_ path: EntryPath) throws -> OwnedFD {
        var current: [UInt8] = []
        var opened = try root.openDirectory([])
        for component in path.components.dropLast() {
            let name = Array(component)
            let next = current.isEmpty ? name : current + [UInt8(ascii: "/")] + name
            let number = opened.number
            if ImageRoot.status(of: name, in: number) == nil {
                try keepTime(of: current, number)
                try retryingInterrupts("create directory", shown(next)) { withBytes(name) { mkdirat(number, $0, 0o700) } }
                // Not by mkdir(2): that would depend on this process's umask.
                try retryingInterrupts("set mode of", shown(next)) { withBytes(name) { fchmodat(number, $0, 0o755, 0) } }
                room -= 1
                guard room > 0 else { throw OCIError(.hostile, "too many directories that the archive doesn't list") }
                try setTime(of: next, (0, 0))
            }
            opened = try root.openDirectory(next)
            current = next
        }
        return opened
    }

    private func keepTime(of path: [UInt8], _ directory: CInt) throws {
        guard directoryTimes[path] == nil else { return }
        var status = stat()
        try retryingInterrupts("read", shown(path)) { fstat(directory, &status) }
        try setTime(of: path, (Int64(status.st_mtim.tv_sec), UInt32(status.st_mtim.tv_nsec)))
    }

    private func setTime(of path: [UInt8], _ time: (seconds: Int64, nanoseconds: UInt32)) throws {
        if directoryTimes.updateValue(time, forKey: path) == nil { directoryBytes += path.count }
        guard directoryBytes <= mostDirectoryBytes else {
            throw OCIError(
                .hostile, "paths of directories of more than \(mostDirectoryBytes >> 20) MiB")
        }
    }

    private func setDirectoryTimes() throws {
        for (path, time) in directoryTimes {
            // One that was replaced or hidden later in the archive has none to keep.
            guard let directory = try? root.openDirectory(path) else { continue }
            try Self.setTime(directory.number, time.seconds, time.nanoseconds, shown(path))
        }
    }
}

/// Files, and what all entries have.
extension LayerUnpacker {
    private func write(_ entry: TarEntry, _ name: [UInt8], in directory: CInt, _ reader: inout TarReader) throws {
        let created = try retryingInterrupts("create", shown(name)) {
            withBytes(name) { dish_openat(directory, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
        }
        let file = OwnedFD(adopting: created)
        let number = file.number
        try SparseWriter.write(&reader, entry, to: number)
        try finish(entry, name, file: number)
    }

    private func link(_ entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        guard let target = try EntryPath(entry.link).dropping(rules.strip) else {
            throw OCIError(.damaged, "a hard link to '\(shown(entry.link))', which is left out")
        }
        guard !target.components.isEmpty else { throw OCIError(.hostile, "a hard link to the root") }
        guard let parent = try root.openDirectoryIfPresent(target.parent) else {
            throw OCIError(.damaged, "a hard link to '\(shown(entry.link))', which is not in the image")
        }
        guard let there = ImageRoot.status(of: target.name, in: parent.number), !ImageRoot.isDirectory(there) else {
            throw OCIError(.damaged, "a hard link to '\(shown(entry.link))', which is no file of the image")
        }
        let source = parent.number
        try retryingInterrupts("create hard link", shown(name)) {
            withBytes(target.name) { target in withBytes(name) { linkat(source, target, directory, $0, 0) } }
        }
    }

    /// Owner, mode, attributes and time of what is open.
    private func finish(_ entry: TarEntry, _ name: [UInt8], file: CInt) throws {
        try retryingInterrupts("set owner of", shown(name)) { fchown(file, entry.user, entry.group) }
        // After the owner: changing that clears the set-id bits, and capabilities.
        try retryingInterrupts("set mode of", shown(name)) { fchmod(file, mode_t(entry.mode)) }
        try setAttributes(entry, Array("/proc/self/fd/\(file)".utf8), follow: true)
        try Self.setTime(file, entry.seconds, entry.nanoseconds, shown(name))
    }

    private func finish(_ entry: TarEntry, _ path: [UInt8], directory: CInt) throws {
        try finish(entry, path, file: directory)
        try setTime(of: path, (entry.seconds, entry.nanoseconds))
    }

    /// The same for what can't be opened: links, devices, pipes.
    private func finish(_ entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        try retryingInterrupts("set owner of", shown(name)) {
            withBytes(name) { fchownat(directory, $0, entry.user, entry.group, AT_SYMLINK_NOFOLLOW) }
        }
        if entry.kind != .symbolicLink {
            try retryingInterrupts("set mode of", shown(name)) {
                withBytes(name) { fchmodat(directory, $0, mode_t(entry.mode), 0) }
            }
        }
        try setAttributes(entry, Array("/proc/self/fd/\(directory)/".utf8) + name, follow: false)
        try retryingInterrupts("set time of", shown(name)) {
            withBytes(name) { utimensat(directory, $0, Self.times(entry.seconds, entry.nanoseconds), AT_SYMLINK_NOFOLLOW) }
        }
    }

    /// Less than `BTRFS_MAX_XATTR_SIZE` for the usual size of nodes.
    private static let attributeLimit = 16_000

    private func setAttributes(_ entry: TarEntry, _ path: [UInt8], follow: Bool) throws {
        for attribute in entry.attributes {
            let isKept = attribute.name.starts(with: "user.".utf8) || attribute.name.elementsEqual("security.capability".utf8)
            // The kernel allows none of `user.` on anything but files and directories.
            guard isKept, !attribute.name.contains(0), follow || !attribute.name.starts(with: "user.".utf8) else { continue }
            // The file system says of such a one that it has no space left.
            guard attribute.name.count + attribute.value.count <= Self.attributeLimit else {
                throw OCIError(
                    .hostile,
                    "its attribute '\(shown(Array(attribute.name.prefix(60))))' has \(attribute.value.count) bytes, of which a file system takes \(Self.attributeLimit)"
                )
            }
            try retryingInterrupts("set attribute \(shown(attribute.name)) of", shown(entry.path)) {
                withBytes(path) { path in
                    withBytes(attribute.name) {
                        dish_setxattr(path, $0, attribute.value, UInt(attribute.value.count), follow ? 1 : 0)
                    }
                }
            }
        }
    }

    private static func times(_ seconds: Int64, _ nanoseconds: UInt32) -> [timespec] {
        let time = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
        return [time, time]
    }

    private static func setTime(_ file: CInt, _ seconds: Int64, _ nanoseconds: UInt32, _ name: String) throws {
        try retryingInterrupts("set time of", name) { futimens(file, times(seconds, nanoseconds)) }
    }
}

extension LayerUnpacker {
    /// Puts one small file into a root, as an archive with that file alone would: root's, 0644, time 0.
    public static func put(_ content: [UInt8], at path: String, root: String) throws {
        let archive = OwnedFD(adopting: try retryingInterrupts("create memory file") { dish_memory_file("archive") })
        let writer = TarWriter(archive.number)
        var entry = TarEntry(path: Array(path.utf8), kind: .file)
        entry.size = UInt64(content.count)
        try writer.add(entry)
        try content.withUnsafeBytes { try writer.write($0) }
        try writer.pad(entry.size)
        _ = try writer.finish()
        lseek(archive.number, 0, SEEK_SET)
        _ = try LayerUnpacker(root: root).unpack(archive.number, limit: 1 << 30)
    }
}
