import Glibc
import Linux

/// The files of an archive, unpacked under numbers: none of its names is ever one on disk.
public struct ArchiveMembers: Sendable {
    public struct File: Sendable {
        public let path: String
        public let size: UInt64
    }

    private var files: [String: File] = [:]
    /// Further names: older archives have links between the directories of their layers.
    private var links: [String: String] = [:]
    /// Bytes of all names.
    private var nameBytes = 0
    /// Files so far: a name that comes twice is that of the last one.
    private var written = 0

    private static let mostNames = 100_000
    private static let mostNameBytes = 16 << 20

    /// - Parameters:
    ///   - descriptor: the archive, not compressed.
    ///   - directory: an empty one.
    public static func extract(_ descriptor: CInt, into directory: String, limit: UInt64) throws -> ArchiveMembers {
        var members = ArchiveMembers()
        var reader = TarReader(ArchiveInput(descriptor, limit: limit))
        while let entry = try reader.next() {
            if entry.kind == .file || entry.kind == .symbolicLink || entry.kind == .hardLink { try members.count(entry) }
            let name = clean(String(decoding: entry.path, as: UTF8.self))
            switch entry.kind {
            case .file:
                guard entry.regions == nil else { throw OCIError(.unsupported, "'\(shown(entry.path))' is stored sparse") }
                let path = "\(directory)/\(members.written)"
                members.written += 1
                let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
                try reader.content { try Files.write($0, to: file.number, path) }
                members.files[name] = File(path: path, size: entry.size)
            case .symbolicLink:
                let target = String(decoding: entry.link, as: UTF8.self)
                members.links[name] = clean("\(Files.parent(of: name))/\(target)")
            case .hardLink: members.links[name] = clean(String(decoding: entry.link, as: UTF8.self))
            default: continue
            }
        }
        return members
    }

    private mutating func count(_ entry: TarEntry) throws {
        nameBytes += entry.path.count + entry.link.count
        guard written + links.count < Self.mostNames, nameBytes <= Self.mostNameBytes else {
            throw OCIError(.hostile, "more than \(Self.mostNames) files, or names of more than \(Self.mostNameBytes >> 20) MiB")
        }
    }

    public func file(_ name: String) -> File? {
        let name = Self.clean(name)
        return files[name] ?? links[name].flatMap { files[$0] }
    }

    private static func clean(_ name: String) -> String { Files.absolute("/" + name) }
}

extension ArchiveMembers {
    /// Writes an archive of files, and of contents that are at hand, in this order; root's, 0644, time 0.
    public static func write(_ files: [(name: String, path: String)], and contents: [String: [UInt8]], to descriptor: CInt) throws
    {
        let writer = TarWriter(descriptor)
        for file in files {
            let opened = try OwnedFD.open(file.path, O_RDONLY)
            var status = stat()
            let number = opened.number
            try retryingInterrupts("read", file.path) { fstat(number, &status) }
            var entry = TarEntry(path: Array(file.name.utf8), kind: .file)
            entry.size = UInt64(status.st_size)
            try writer.add(entry)
            try FileBlocks(number, size: entry.size, file.path).read(.init(offset: 0, length: entry.size)) {
                try writer.write($0)
            }
            try writer.pad(entry.size)
        }
        for (name, content) in contents.sorted(by: { $0.key < $1.key }) {
            try writer.add(Array(content), at: name)
        }
        _ = try writer.finish()
    }
}
