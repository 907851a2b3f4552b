import Glibc
public import Layers
import Linux

/// Writes what a layer changes as a layer of an OCI image: an archive of what is new, with whiteouts for what is gone.
public struct LayerPacker: Sendable {
    /// What stays here: it is in the image's config instead.
    private static let settings = Array("usr/lib/dish/image.json".utf8)
    private static let settingsDirectory = Array("usr/lib/dish".utf8)
    /// What a layer of settings alone may have had to make.
    private static let above = [Array("usr".utf8), Array("usr/lib".utf8)]
    /// Files from this size on are looked through for holes.
    private static let sparseSize: UInt64 = 64 << 20

    private let root: String
    private let edits: [TreeEdit]

    /// - Parameters:
    ///   - layer: a layer of the pool.
    ///   - parent: nil to write all of it.
    public init(_ layer: LayerID, parent: LayerID?, in pool: Pool) throws {
        root = pool.root(of: layer)
        let all = try pool.tree(of: layer).edits(from: parent.map { try pool.tree(of: $0) } ?? Tree.empty)
        let others = all.filter { $0.path.starts(with: Self.settingsDirectory + [UInt8(ascii: "/")]) && $0.path != Self.settings }
        // Its directory is there for it alone, unless there is something else in it.
        let rest = all.filter { $0.path != Self.settings && ($0.path != Self.settingsDirectory || !others.isEmpty) }
        let isSettings = rest.count < all.count && rest.allSatisfy { Self.above.contains($0.path) }
        edits = isSettings ? [] : rest
    }

    /// Whether there is nothing to write.
    public var isEmpty: Bool { edits.isEmpty }

    /// Writes the archive.
    ///
    /// - Returns: its digest.
    /// - Throws: `OCIError` `.unsupported` for names that such an archive can't have.
    public func write(to descriptor: CInt) throws -> BlobDigest {
        let writer = TarWriter(descriptor)
        for edit in edits { try write(edit, writer) }
        return try writer.finish()
    }

    private func write(_ edit: TreeEdit, _ writer: TarWriter) throws {
        let name = edit.path.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
        guard !name.starts(with: EntryPath.whiteout) else {
            throw OCIError(
                .unsupported,
                "'/\(shown(edit.path))' can't be in an OCI image: names with .wh. at their beginning mean removals there")
        }
        switch edit.change {
        case .removed:
            var path = Array(edit.path.dropLast(name.count))
            path += EntryPath.whiteout + name
            try writer.add(TarEntry(path: path, kind: .file, mode: 0))
        case .linked(let first):
            var entry = TarEntry(path: edit.path, kind: .hardLink)
            entry.link = first
            try writer.add(entry)
        case .present(let node): try write(node, edit.path, writer)
        }
    }

    private func write(_ node: TreeNode, _ path: [UInt8], _ writer: TarWriter) throws {
        var entry = TarEntry(path: path.isEmpty ? Array("./".utf8) : path, kind: .file)
        (entry.mode, entry.user, entry.group) = (node.mode, node.user, node.group)
        (entry.seconds, entry.nanoseconds) = (node.seconds, node.nanoseconds)
        entry.attributes = node.attributes.map { ($0.name, $0.value) }
        switch node.kind {
        case .directory: entry.kind = .directory
        case .link(let target): (entry.kind, entry.link) = (.symbolicLink, target)
        case .device(let type, let major, let minor):
            entry.kind = type == UInt8(ascii: "c") ? .characterDevice : .blockDevice
            (entry.major, entry.minor) = (major, minor)
        case .special(let type):
            // A socket means nothing without the program that listens.
            guard type == UInt8(ascii: "p") else { return }
            entry.kind = .fifo
        case .file(let size, _):
            entry.size = size
            return try writeFile(entry, path, writer)
        }
        try writer.add(entry)
    }

    private func writeFile(_ given: TarEntry, _ path: [UInt8], _ writer: TarWriter) throws {
        var entry = given
        let image = try ImageRoot(root)
        let file = try image.open(path, O_RDONLY | O_NOFOLLOW)
        let content = FileBlocks(file.number, size: entry.size, shown(path))
        if entry.size >= Self.sparseSize {
            let regions = try content.regions()
            if regions.reduce(0, { $0 + $1.length }) <= entry.size / 2 { entry.regions = regions }
        }
        try writer.add(entry)
        let regions = entry.regions ?? [.init(offset: 0, length: entry.size)]
        for region in regions { try content.read(region) { try writer.write($0) } }
        try writer.pad(regions.reduce(0) { $0 + $1.length })
    }
}

/// A file's content, block by block.
struct FileBlocks {
    private let descriptor: CInt
    private let size: UInt64
    private let name: String
    private static let block = 1 << 20

    init(_ descriptor: CInt, size: UInt64, _ name: String) {
        self.descriptor = descriptor
        self.size = size
        self.name = name
    }

    /// The blocks of a megabyte that have something else than zeros: by content, not by how it lies on disk, so the
    /// same file has the same on every host.
    func regions() throws -> [TarEntry.Region] {
        var regions: [TarEntry.Region] = []
        var position: UInt64 = 0
        while position < size {
            try Cancellation.check()
            // What is a hole on disk needs no reading.
            let data = lseek(descriptor, off_t(position), seekData)
            if data < 0 {
                if errno == ENXIO { break }
                throw SystemError("read", name)
            }
            position = UInt64(data) / UInt64(Self.block) * UInt64(Self.block)
            let length = min(UInt64(Self.block), size - position)
            var isZero = true
            try read(.init(offset: position, length: length)) { bytes in
                isZero = isZero && bytes[0] == 0 && memcmp(bytes.baseAddress!, bytes.baseAddress! + 1, bytes.count - 1) == 0
            }
            if !isZero {
                if let last = regions.last, last.offset + last.length == position {
                    regions[regions.count - 1].length += length
                } else {
                    regions.append(.init(offset: position, length: length))
                }
            }
            position += length
        }
        return regions
    }

    func read(_ region: TarEntry.Region, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.block, alignment: 4096)
        defer { buffer.deallocate() }
        var position = region.offset
        let end = region.offset + region.length
        while position < end {
            try Cancellation.check()
            let count = try retryingInterrupts("read", name) {
                pread(descriptor, buffer.baseAddress, min(buffer.count, Int(end - position)), off_t(position))
            }
            guard count > 0 else { throw OCIError(.damaged, "'\(name)' is shorter than its layer says") }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += UInt64(count)
        }
    }
}

/// `SEEK_DATA` of lseek(2), which Glibc shows only to GNU sources.
private let seekData: CInt = 3
