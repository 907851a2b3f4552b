import CLinux
import Glibc

/// Copies trees that others wrote, by descriptor, with all that they have: owners, modes, attributes, times, hard links within the
/// tree, holes. Data is shared on disk where the file system can. No link is followed; subvolumes are copied as directories.
public struct TreeCopy: ~Copyable {
    private struct Level {
        let status: stat
        let target: stat
        var waiting: [FileName]
    }

    private struct File: Hashable {
        let device: UInt64
        let inode: UInt64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    private final class Folder: Sendable {
        let file: OwnedFD
        init(_ file: consuming OwnedFD) { self.file = file }
    }

    private var source: OwnedFD
    private var target: OwnedFD
    private var levels: [Level] = []
    private let targetTop: OwnedFD
    /// The source's directory and the target's.
    private let tops: (stat, stat)
    /// The names of the first copies in `linkFolder`.
    private var links: [File: FileName] = [:]
    private var linkFolder: Folder?
    private let linkFolderName = Array(".dish-links-\(UInt64.random(in: 0 ... .max))".utf8)
    /// Called now and then; throws to stop.
    private let check: () throws -> Void

    /// Copies what has a name in a directory.
    ///
    /// - Parameters:
    ///   - name: of a file, a directory or anything else.
    ///   - target: the directory that it is put into.
    ///   - newName: must not be there.
    ///   - check: called for each entry and each 64 MiB; it throws to stop.
    public static func copy(
        _ name: FileName, in directory: borrowing OwnedFD, to target: borrowing OwnedFD, as newName: FileName,
        check: @escaping () throws -> Void = {}
    ) throws {
        var copy = try TreeCopy(directory, target, check)
        try copy.put(name, as: newName)
        try copy.run()
        try copy.finish()
    }

    /// Copies all that is in a directory, and the attributes of the directory itself, to an empty one.
    ///
    /// - Parameter check: called for each entry and each 64 MiB; it throws to stop.
    public static func copyContents(
        of directory: borrowing OwnedFD, to target: borrowing OwnedFD, check: @escaping () throws -> Void = {}
    ) throws {
        var copy = try TreeCopy(directory, target, check)
        let status = try directory.status()
        copy.levels = [Level(status: status, target: try target.status(), waiting: try directory.names().reversed())]
        try copy.run(keepsTop: true)
        try copy.finish()
        try FileAttributes.copy(from: directory.number, to: target.number, status)
    }

    private init(
        _ directory: borrowing OwnedFD, _ target: borrowing OwnedFD, _ check: @escaping () throws -> Void
    ) throws {
        // All that may fail comes first.
        let (from, to) = (try directory.status(), try target.status())
        let source = try directory.duplicate()
        let current = try target.duplicate()
        let top = try target.duplicate()
        self.source = source
        self.target = current
        targetTop = top
        tops = (from, to)
        self.check = check
    }

    private mutating func run(keepsTop: Bool = false) throws {
        while !levels.isEmpty {
            if let name = levels[levels.count - 1].waiting.popLast() {
                try put(name, as: name)
            } else if keepsTop, levels.count == 1 {
                return
            } else {
                try ascend()
            }
        }
    }

    /// Copies one entry; of a directory only the entry, and the walk goes on in it.
    private mutating func put(_ name: FileName, as newName: FileName) throws {
        try check()
        let number = source.number
        var status = stat()
        try retryingInterrupts("copy", shownName(name)) {
            name.withCString { fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        let type = status.st_mode & S_IFMT
        if type == S_IFDIR { return try descend(name, as: newName) }
        if status.st_nlink > 1, try link(status, as: newName) { return }
        switch type {
        case S_IFREG: try putFile(name, as: newName, status)
        case S_IFLNK: try putSymlink(name, as: newName, status)
        default: try putNode(name, as: newName, status)
        }
        if status.st_nlink > 1 { try keepForLinks(newName, status) }
    }

    private mutating func descend(_ name: FileName, as newName: FileName) throws {
        let from = try source.directory(name)
        let number = target.number
        try retryingInterrupts("create directory", shownName(newName)) { newName.withCString { mkdirat(number, $0, 0o700) } }
        let to = try target.directory(newName)
        levels.append(Level(status: try from.status(), target: try to.status(), waiting: try from.names().reversed()))
        source = from
        target = to
    }

    /// The directory gets its attributes when all is in it: writing changes its time, and it may be read-only.
    private mutating func ascend() throws {
        let done = levels.removeLast()
        try FileAttributes.copy(from: source.number, to: target.number, done.status)
        let from = try source.parentDirectory()
        let to = try target.parentDirectory()
        let (old, new) = (try from.status(), try to.status())
        let (wantedOld, wantedNew) = levels.last.map { ($0.status, $0.target) } ?? tops
        guard Self.isSame(old, wantedOld), Self.isSame(new, wantedNew) else {
            throw SystemError("copy a tree that was moved meanwhile", code: ESTALE)
        }
        source = from
        target = to
    }

    private static func isSame(_ one: stat, _ other: stat) -> Bool {
        one.st_dev == other.st_dev && one.st_ino == other.st_ino
    }

    private mutating func putFile(_ name: FileName, as newName: FileName, _ status: stat) throws {
        let (from, to) = (source.number, target.number)
        let input = OwnedFD(
            adopting: try retryingInterrupts("open", shownName(name)) {
                name.withCString { dish_openat(from, $0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0) }
            })
        let opened = try input.status()
        guard opened.st_ino == status.st_ino, opened.st_mode & S_IFMT == S_IFREG else {
            throw SystemError("copy a file that was replaced meanwhile", shownName(name), code: ESTALE)
        }
        let output = OwnedFD(
            adopting: try retryingInterrupts("create", shownName(newName)) {
                newName.withCString { dish_openat(to, $0, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600) }
            })
        try FileData.copy(input, to: output, length: Int64(status.st_size), shownName(name), check)
        try FileAttributes.copy(from: input.number, to: output.number, status)
    }

    private mutating func putSymlink(_ name: FileName, as newName: FileName, _ status: stat) throws {
        let (from, to) = (source.number, target.number)
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
        let capacity = buffer.count
        let count = try retryingInterrupts("read link", shownName(name)) {
            buffer.withUnsafeMutableBytes { bytes in
                name.withCString { readlinkat(from, $0, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), capacity - 1) }
            }
        }
        let link = Array(buffer[..<count])
        try retryingInterrupts("create symbolic link", shownName(newName)) {
            link.withCString { link in newName.withCString { symlinkat(link, to, $0) } }
        }
        try FileAttributes.copy(name, in: from, to: newName, in: to, status)
    }

    private mutating func putNode(_ name: FileName, as newName: FileName, _ status: stat) throws {
        let (from, to) = (source.number, target.number)
        try retryingInterrupts("create node", shownName(newName)) {
            newName.withCString { mknodat(to, $0, status.st_mode & S_IFMT | 0o600, status.st_rdev) }
        }
        try FileAttributes.copy(name, in: from, to: newName, in: to, status)
    }
}

/// Hard links: the first copy of a file with several names has a further one in a directory at the target's top meanwhile.
/// Descriptors would be too many, paths too long.
extension TreeCopy {
    /// - Returns: whether there was a copy of the file, which has a further name now.
    private func link(_ status: stat, as newName: FileName) throws -> Bool {
        guard let linked = links[File(status)], let folder = linkFolder else { return false }
        let (from, to) = (folder.file.number, target.number)
        try retryingInterrupts("create hard link", shownName(newName)) {
            linked.withCString { old in newName.withCString { linkat(from, old, to, $0, 0) } }
        }
        return true
    }

    private mutating func keepForLinks(_ newName: FileName, _ status: stat) throws {
        let folder = try linkFolder ?? makeLinkFolder()
        linkFolder = folder
        let name = Array(String(links.count).utf8)
        let (from, to) = (target.number, folder.file.number)
        try retryingInterrupts("create hard link", shownName(newName)) {
            newName.withCString { old in name.withCString { linkat(from, old, to, $0, 0) } }
        }
        links[File(status)] = name
    }

    private func makeLinkFolder() throws -> Folder {
        let number = targetTop.number
        let name = linkFolderName
        try retryingInterrupts("create directory", shownName(name)) { name.withCString { mkdirat(number, $0, 0o700) } }
        return Folder(try targetTop.directory(name))
    }

    private mutating func finish() throws {
        guard linkFolder != nil else { return }
        linkFolder = nil
        try Files.removeTree(linkFolderName, in: targetTop)
    }
}
