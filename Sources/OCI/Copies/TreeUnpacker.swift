import CLinux
import Glibc
public import Linux

/// Puts the files of a tar archive into a directory that others may be changing: nothing is written outside of it, whatever
/// links they or the archive make.
///
/// Each directory is opened from the one above it, never through a link. A file has another name until it is whole.
public final class TreeUnpacker {
    /// Whom what is written belongs to.
    public enum Owners: Sendable {
        /// One user; set-id bits are cleared.
        case one(user: UInt32, group: UInt32)
        /// Those of the archive, whose user 0 has this id on disk.
        case archived(firstID: UInt32)
    }

    private let directory: OwnedFD
    private let owners: Owners
    private var directoryTimes: [(path: EntryPath, seconds: Int64, nanoseconds: UInt32)] = []
    /// What wasn't written, and why.
    public private(set) var warnings: [String] = []

    /// - Parameter directory: opened for reading.
    public init(into directory: consuming OwnedFD, owners: Owners) {
        self.directory = directory
        self.owners = owners
    }

    /// Reads an archive to its end.
    ///
    /// - Throws: `OCIError` for what is no archive or leads out of the directory, `SystemError`.
    public func unpack(_ descriptor: CInt) throws {
        var reader = TarReader(ArchiveInput(descriptor, limit: .max))
        while let entry = try reader.next() {
            let path = try EntryPath(entry.path)
            if !path.components.isEmpty { try put(entry, path, &reader) }
        }
        _ = try reader.finish()
        for (path, seconds, nanoseconds) in directoryTimes.reversed() {
            // One that was replaced meanwhile has none to keep.
            guard let opened = try? open(path.components) else { continue }
            _ = dish_set_times(opened.number, "", seconds, nanoseconds, seconds, nanoseconds)
        }
    }

    private func put(_ entry: TarEntry, _ path: EntryPath, _ reader: inout TarReader) throws {
        let parent = try open(path.components.dropLast())
        let (number, name) = (parent.number, path.name)
        switch entry.kind {
        case .directory: return try putDirectory(entry, path, in: number)
        case .characterDevice, .blockDevice:
            warnings.append("left out: '\(shown(path.joined))' is a device")
            return
        default: break
        }
        let unfinished = Array(".dish-\(UInt64.random(in: 0 ... .max)).new".utf8)
        do {
            switch entry.kind {
            case .file: try putFile(entry, unfinished, in: number, &reader)
            case .hardLink: try putLink(entry, unfinished, in: number)
            case .symbolicLink:
                guard !entry.link.isEmpty, !entry.link.contains(0) else {
                    throw OCIError(.damaged, "'\(shown(path.joined))' is a symbolic link without a target")
                }
                try retryingInterrupts("create symbolic link", shown(path.joined)) {
                    withBytes(entry.link) { target in withBytes(unfinished) { symlinkat(target, number, $0) } }
                }
                try finishSpecial(entry, unfinished, in: number)
            default:
                try retryingInterrupts("create pipe", shown(path.joined)) {
                    withBytes(unfinished) { mknodat(number, $0, S_IFIFO | entry.mode & 0o777, 0) }
                }
                try finishSpecial(entry, unfinished, in: number)
            }
            try retryingInterrupts("write", shown(path.joined)) {
                withBytes(unfinished) { old in withBytes(name) { renameat(number, old, number, $0) } }
            }
            // Where both names were of one file, that did nothing.
            _ = withBytes(unfinished) { unlinkat(number, $0, 0) }
        } catch {
            _ = withBytes(unfinished) { unlinkat(number, $0, 0) }
            throw error
        }
    }

    /// A directory below this one; missing ones are made.
    private func open(_ components: some Sequence<ArraySlice<UInt8>>) throws -> OwnedFD {
        var opened = try directory.duplicate()
        for component in components { opened = try child(Array(component), in: opened.number) }
        return opened
    }

    private func child(_ name: [UInt8], in directory: CInt) throws -> OwnedFD {
        if ImageRoot.status(of: name, in: directory) == nil {
            let made = try makeDirectory(name, in: directory)
            try own(made.number, TarEntry(path: name, kind: .directory, mode: 0o755))
            return made
        }
        let opened = withBytes(name) { dish_openat(directory, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) }
        if opened >= 0 { return OwnedFD(adopting: opened) }
        guard errno == ELOOP || errno == ENOTDIR else { throw SystemError("open directory", shown(name)) }
        throw OCIError(
            .hostile, "'\(shown(name))' is a link or no directory there, and no link is followed; copy to where it leads")
    }

    private func makeDirectory(_ name: [UInt8], in directory: CInt) throws -> OwnedFD {
        let made = withBytes(name) { mkdirat(directory, $0, 0o700) }
        if made != 0, errno != EEXIST { throw SystemError("create directory", shown(name)) }
        return try ImageRoot.openChild(name, in: directory)
    }

    private func putDirectory(_ entry: TarEntry, _ path: EntryPath, in parent: CInt) throws {
        let isNew = withBytes(path.name) { mkdirat(parent, $0, 0o700) } == 0
        if !isNew, errno != EEXIST { throw SystemError("create directory", shown(path.joined)) }
        // What is there stays as it is; it must only be a directory.
        let made = try open(path.components)
        guard isNew else { return }
        try own(made.number, entry)
        directoryTimes.append((path, entry.seconds, entry.nanoseconds))
    }

    private func putFile(_ entry: TarEntry, _ name: [UInt8], in directory: CInt, _ reader: inout TarReader) throws {
        let file = OwnedFD(
            adopting: try retryingInterrupts("create", shown(entry.path)) {
                withBytes(name) { dish_openat(directory, $0, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
            })
        let number = file.number
        try SparseWriter.write(&reader, entry, to: number)
        try own(number, entry)
        _ = dish_set_times(number, "", entry.seconds, entry.nanoseconds, entry.seconds, entry.nanoseconds)
    }

    private func putLink(_ entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        let target = try EntryPath(entry.link)
        guard !target.components.isEmpty else { throw OCIError(.hostile, "a hard link to the directory itself") }
        let source = try open(target.components.dropLast())
        let number = source.number
        try retryingInterrupts("create hard link to", shown(entry.link)) {
            withBytes(target.name) { target in withBytes(name) { linkat(number, target, directory, $0, 0) } }
        }
    }

    /// Owner and mode of what is open.
    private func own(_ file: CInt, _ entry: TarEntry) throws {
        let (user, group, mask) = owner(entry)
        try retryingInterrupts("set owner of", shown(entry.path)) { fchown(file, user, group) }
        // After the owner: changing that clears the set-id bits.
        try retryingInterrupts("set mode of", shown(entry.path)) { fchmod(file, mode_t(entry.mode & mask)) }
    }

    private func finishSpecial(_ entry: TarEntry, _ name: [UInt8], in directory: CInt) throws {
        let (user, group, _) = owner(entry)
        try retryingInterrupts("set owner of", shown(entry.path)) {
            withBytes(name) { fchownat(directory, $0, user, group, AT_SYMLINK_NOFOLLOW) }
        }
        _ = withBytes(name) {
            dish_set_times(directory, $0, entry.seconds, entry.nanoseconds, entry.seconds, entry.nanoseconds)
        }
    }

    private func owner(_ entry: TarEntry) -> (user: UInt32, group: UInt32, mask: UInt32) {
        switch owners {
        case .one(let user, let group): return (user, group, 0o1777)
        case .archived(let first):
            func outside(_ id: UInt32) -> UInt32 { first == 0 ? id : first + (id < 65536 ? id : 65534) }
            return (outside(entry.user), outside(entry.group), 0o7777)
        }
    }
}
