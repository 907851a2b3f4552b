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

    let root: ImageRoot
    let rules: Rules
    /// Entries that this layer has put there: its whiteouts don't hide it.
    var own: OwnEntries
    /// Whiteouts in what is reached through a link of the layers below, to be looked at when all entries are there.
    var deferred: [EntryPath] = []
    /// Bytes of their paths.
    var deferredBytes = 0
    /// True if there are files of aufs's own, which hard links name and nobody else.
    var hasLinkedFiles = false
    /// The times that directories get when all is done, by inode: changing what is in one changes its time.
    private var directoryTimes: [UInt64: (path: [UInt8], seconds: Int64, nanoseconds: UInt32)] = [:]
    /// The directory that was opened last: archives list a directory's files together.
    var last: (path: [UInt8], directory: OpenedDirectory)?
    /// Bytes of the paths in `directoryTimes`.
    private var directoryBytes = 0
    /// Entries that the archive may still have, and directories that may be made for them.
    private var room = ArchiveLimits.mostEntries
    private var mostDirectoryBytes = 0
    /// Devices that were left out (`DeviceNode`).
    public private(set) var leftOut = LeftOutNodes()
    /// Their names: there is nothing for further names to link to.
    private var missing = PathSet()

    /// - Parameter root: a directory that nobody else changes meanwhile.
    public init(root: String, rules: Rules = Rules()) throws {
        self.root = try ImageRoot(root)
        self.rules = rules
        own = OwnEntries(root: try OpenedDirectory(self.root.directory.duplicate(), []).inode)
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
        try hideDeferred()
        if hasLinkedFiles { try ImageRoot.remove(EntryPath.linkedFiles, in: root.directory.number) }
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
            return try finish(entry, OpenedDirectory(root.directory.duplicate(), []))
        }
        if rules.hasWhiteouts, try takeWhiteout(path, entry) { return }
        if rules.keepsDirectoryLinks, entry.kind == .directory, try isDirectoryLink(path) { return }
        let directory = try parent(of: path)
        let (number, name) = (directory.file.number, path.name)
        let joined = directory.path.isEmpty ? name : directory.path + [UInt8(ascii: "/")] + name
        // What has the name below goes, even where nothing takes its place.
        try makeRoom(for: entry, name, in: number)
        try own.insert(name, in: directory)
        if try isLeftOut(entry, path) { return }
        switch entry.kind {
        case .directory:
            let isNew = ImageRoot.status(of: name, in: number) == nil
            if isNew {
                try retryingInterrupts("create directory", shown(joined)) { withBytes(name) { mkdirat(number, $0, 0o700) } }
            }
            let made = try OpenedDirectory(ImageRoot.openChild(name, in: number), joined)
            own.insert(made)
            if !isNew, rules.hasWhiteouts { try removeAttributes(of: made, except: entry.attributes) }
            return try finish(entry, made)
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
    private func parent(of path: EntryPath) throws -> OpenedDirectory {
        let parent = path.parent
        if let last, last.path == parent { return last.directory }
        let opened = try root.openDirect(parent) ?? resolve(path.components.dropLast(), .making)!
        try keepTime(of: opened)
        last = (parent, opened)
        return opened
    }

    /// Makes a directory that the archive doesn't list, or not yet.
    func makeDirectory(_ name: [UInt8], in directory: OpenedDirectory) throws {
        let number = directory.file.number
        try keepTime(of: directory)
        try retryingInterrupts("create directory", shown(name)) { withBytes(name) { mkdirat(number, $0, 0o700) } }
        // Not by mkdir(2): that would depend on this process's umask.
        try retryingInterrupts("set mode of", shown(name)) { withBytes(name) { fchmodat(number, $0, 0o755, 0) } }
        room -= 1
        guard room > 0 else { throw OCIError(.hostile, "too many directories that the archive doesn't list") }
        let path = directory.path.isEmpty ? name : directory.path + [UInt8(ascii: "/")] + name
        try setTime(of: OpenedDirectory(ImageRoot.openChild(name, in: number), path), (0, 0))
    }

    func keepTime(of directory: OpenedDirectory) throws {
        guard directoryTimes[directory.inode] == nil else { return }
        var status = stat()
        let number = directory.file.number
        try retryingInterrupts("read", shown(directory.path)) { fstat(number, &status) }
        try setTime(of: directory, (Int64(status.st_mtim.tv_sec), UInt32(status.st_mtim.tv_nsec)))
    }

    func setTime(of directory: OpenedDirectory, _ time: (seconds: Int64, nanoseconds: UInt32)) throws {
        let value = (directory.path, time.seconds, time.nanoseconds)
        if directoryTimes.updateValue(value, forKey: directory.inode) == nil { directoryBytes += directory.path.count }
        guard directoryBytes <= mostDirectoryBytes else {
            throw OCIError(
                .hostile, "paths of directories of more than \(mostDirectoryBytes >> 20) MiB")
        }
    }

    private func setDirectoryTimes() throws {
        for (inode, (path, seconds, nanoseconds)) in directoryTimes {
            // One that was replaced or hidden later in the archive has none to keep.
            guard let directory = try root.openDirect(path), directory.inode == inode else { continue }
            try Self.setTime(directory.file.number, seconds, nanoseconds, shown(path))
        }
    }
}
