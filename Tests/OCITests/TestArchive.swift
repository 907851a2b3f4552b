import CLinux
import Glibc
import Layers
import Linux

@testable import OCI

/// An archive in memory, and a root to unpack it into.
final class TestArchive {
    private let file: OwnedFD
    var number: CInt { file.number }
    let writer: TarWriter
    let root: String

    init() throws {
        file = OwnedFD(adopting: try retryingInterrupts("create memory file") { dish_memory_file("test") })
        writer = TarWriter(file.number)
        var template = Array("/tmp/dish-oci-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? Files.removeTree(root) }

    /// An entry of this user, who may not be root.
    static func entry(_ path: String, _ kind: TarEntry.Kind, link: String = "", mode: UInt32 = 0o644) -> TarEntry {
        var entry = TarEntry(path: Array(path.utf8), kind: kind, mode: mode, user: getuid(), group: getgid())
        entry.link = Array(link.utf8)
        entry.seconds = 1_700_000_000
        return entry
    }

    func add(_ path: String, _ kind: TarEntry.Kind, link: String = "", mode: UInt32 = 0o644) throws {
        try writer.add(Self.entry(path, kind, link: link, mode: mode))
    }

    func add(_ path: String, _ content: String) throws {
        var entry = Self.entry(path, .file)
        entry.size = UInt64(content.utf8.count)
        try add(entry, Array(content.utf8))
    }

    func add(_ entry: TarEntry, _ content: [UInt8]) throws {
        try writer.add(entry)
        try content.withUnsafeBytes { try writer.write($0) }
        try writer.pad(UInt64(content.count))
    }

    /// Bytes as they are.
    func add(raw bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try writer.write($0) } }

    @discardableResult
    func unpack(limit: UInt64 = 1 << 30) throws -> (found: BlobDigest, leftOut: LeftOutNodes) {
        let written = try writer.finish()
        lseek(file.number, 0, SEEK_SET)
        let unpacker = try LayerUnpacker(root: root)
        let found = try unpacker.unpack(file.number, limit: limit)
        guard found == written else { throw SystemError("compare digests", code: EIO) }
        return (found, unpacker.leftOut)
    }

    func entries() throws -> [(TarEntry, [UInt8])] {
        _ = try writer.finish()
        lseek(file.number, 0, SEEK_SET)
        return try Self.entries(file.number)
    }

    static func entries(_ descriptor: CInt) throws -> [(TarEntry, [UInt8])] {
        var reader = TarReader(ArchiveInput(descriptor, limit: 1 << 40))
        var found: [(TarEntry, [UInt8])] = []
        while let entry = try reader.next() {
            var content: [UInt8] = []
            try reader.content { content.append(contentsOf: $0) }
            found.append((entry, content))
        }
        return found
    }
}

extension TestArchive {
    /// All that was written so far.
    func bytes() throws -> [UInt8] {
        lseek(number, 0, SEEK_SET)
        return try Files.read(OwnedFD(adopting: dup(number)), "archive")
    }

}
