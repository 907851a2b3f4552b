/// Reads a tar archive in one pass: ustar, PAX, GNU's long names, and all four ways to store sparse files.
struct TarReader: ~Copyable {
    private var input: ArchiveInput
    /// Bytes of the current entry's data that weren't read, and the padding after them.
    private var left: UInt64 = 0
    private var padding = 0
    private var isAtEnd = false
    private var global = PAXRecords()
    private var entries = 0
    /// Bytes of all extended headers and sparse maps so far.
    private var headerBytes: UInt64 = 0
    private let entryLimit: Int

    /// The most bytes that the extended headers of one entry have together, names included.
    private static let headerLimit: UInt64 = 1 << 20
    /// The most bytes that those which hold for all further entries have.
    private static let globalLimit: UInt64 = 64 << 10
    /// The most bytes of extended headers in an archive: so many, and so many for each entry.
    private static let freeHeaderBytes: UInt64 = 32 << 20
    private static let headerBytesPerEntry: UInt64 = 8 << 10
    private static let regionLimit = 1 << 20
    /// Bytes that a region of a sparse file counts as.
    private static let regionCost: UInt64 = 64 << 10

    /// - Parameter entries: the most that there may be.
    init(_ input: consuming ArchiveInput, entries: Int = ArchiveLimits.mostEntries) {
        self.input = input
        entryLimit = entries
    }

    /// The next entry; what wasn't read of the last one is skipped.
    ///
    /// - Throws: `OCIError` `.damaged`, `.unsupported`, `.hostile`.
    mutating func next() throws -> TarEntry? {
        try skipRest()
        if isAtEnd { return nil }
        var records = PAXRecords()
        var (longPath, longLink): ([UInt8]?, [UInt8]?)
        // Of this entry's headers.
        var used: UInt64 = 0
        while true {
            let block = try input.read(TarHeader.size)
            if block.isEmpty {
                isAtEnd = true
                return nil
            }
            guard block.count == TarHeader.size else { throw OCIError(.damaged, "the archive ends within a header") }
            guard let header = try TarHeader(block) else {
                isAtEnd = true
                return nil
            }
            switch header.type {
            case UInt8(ascii: "x"): records.add(try PAXRecords(extended(header, &used, Self.headerLimit)))
            case UInt8(ascii: "g"):
                let more = try PAXRecords(extended(header, &used, Self.globalLimit))
                guard !more.setsAttributes else { throw OCIError(.hostile, "a global header sets attributes of all files") }
                // It says all there is to say again, or something else: what was said before of the same keys is over.
                try global.replace(with: more, limit: Self.globalLimit)
            case UInt8(ascii: "L"): longPath = Array(try extended(header, &used, Self.headerLimit).prefix { $0 != 0 })
            case UInt8(ascii: "K"): longLink = Array(try extended(header, &used, Self.headerLimit).prefix { $0 != 0 })
            default:
                entries += 1
                guard entries <= entryLimit else { throw OCIError(.hostile, "more than \(entryLimit) entries") }
                return try entry(header, records, longPath, longLink)
            }
        }
    }

    /// Calls with the pieces of the current entry's data, which for a sparse file is that of its regions.
    mutating func content(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        while left > 0 {
            let count = try input.next(Int(min(left, 1 << 30)), body)
            if count == 0 { throw OCIError(.damaged, "the archive ends within a file") }
            left -= UInt64(count)
        }
    }

    /// The digest of the whole archive, what follows its end mark included.
    mutating func finish() throws -> BlobDigest {
        try skipRest()
        return try input.finish()
    }

    private mutating func entry(
        _ header: TarHeader, _ records: PAXRecords, _ longPath: [UInt8]?, _ longLink: [UInt8]?
    ) throws -> TarEntry {
        var entry = try header.entry()
        if let longPath { entry.path = longPath }
        if let longLink { entry.link = longLink }
        let hasMap = try (global.isEmpty ? records : global + records).apply(to: &entry)
        // How archives older than the type of directories say it: only the whole name tells.
        if entry.kind == .file, entry.path.last == UInt8(ascii: "/") { entry.kind = .directory }
        guard entry.kind == .file else {
            // As most readers have it: a size here is that of something else, and so is a map of what has data.
            entry.size = 0
            entry.regions = nil
            return entry
        }
        begin(entry.size)
        if header.type == UInt8(ascii: "S") {
            var (regions, continues, size) = try header.sparse()
            while continues {
                let block = try input.read(TarHeader.size)
                guard block.count == TarHeader.size else { throw OCIError(.damaged, "the archive ends within a header") }
                let more = try TarHeader.continuation(block)
                regions += more.regions
                continues = more.continues
                try count(UInt64(block.count))
                guard regions.count <= Self.regionLimit else { throw OCIError(.hostile, "a file with more than a million holes") }
            }
            entry.regions = regions
            entry.size = size
        } else if hasMap {
            entry.regions = try readMap()
            entry.size = try records.number("GNU.sparse.realsize") ?? 0
        } else if entry.regions != nil {
            entry.size = try records.number("GNU.sparse.size") ?? records.number("GNU.sparse.realsize") ?? 0
        }
        if let regions = entry.regions { try check(regions, size: entry.size) }
        guard entry.size <= UInt64(Int64.max) else { throw OCIError(.damaged, "a file larger than any can be") }
        return entry
    }

    /// GNU's format 1.0: decimal numbers, a line each, before the data: how many regions, then offset and length of each.
    private mutating func readMap() throws -> [TarEntry.Region] {
        var text: [UInt8] = []
        var numbers: [UInt64] = []
        var wanted = 1
        var position = 0
        while numbers.count < wanted {
            guard left >= 512 else { throw OCIError(.damaged, "a sparse map is cut short") }
            let block = try input.read(512)
            guard block.count == 512 else { throw OCIError(.damaged, "the archive ends within a sparse map") }
            left -= 512
            try count(512)
            text = Array(text[position...]) + block
            position = 0
            while numbers.count < wanted, let end = text[position...].firstIndex(of: UInt8(ascii: "\n")) {
                guard let number = UInt64(String(decoding: text[position..<end], as: UTF8.self)) else {
                    throw OCIError(.damaged, "a sparse map has something else than numbers")
                }
                if numbers.isEmpty {
                    guard number <= UInt64(Self.regionLimit) else {
                        throw OCIError(.hostile, "a file with more than a million holes")
                    }
                    wanted = 1 + Int(number) * 2
                }
                numbers.append(number)
                position = end + 1
            }
            guard text.count - position <= 64 || numbers.count == wanted else {
                throw OCIError(.damaged, "a sparse map has a number too long")
            }
        }
        return stride(from: 1, to: numbers.count, by: 2).map { .init(offset: numbers[$0], length: numbers[$0 + 1]) }
    }

    private mutating func check(_ regions: [TarEntry.Region], size: UInt64) throws {
        var position: UInt64 = 0
        var sum: UInt64 = 0
        for region in regions {
            let (end, overflow) = region.offset.addingReportingOverflow(region.length)
            guard region.offset >= position, !overflow, end <= size else {
                throw OCIError(.damaged, "the regions of a sparse file overlap or lie beyond its end")
            }
            position = end
            sum += region.length
        }
        guard sum == left else { throw OCIError(.damaged, "the regions of a sparse file are not as long as its data") }
        // Each may lie in a block of its own, which is read and hashed as a whole, however little of it is data.
        try input.charge(min(UInt64(regions.count) * Self.regionCost, size))
    }

    /// The data of a header that belongs to the next one.
    ///
    /// - Parameter used: bytes of those that came before it.
    private mutating func extended(_ header: TarHeader, _ used: inout UInt64, _ limit: UInt64) throws -> [UInt8] {
        let size = try header.dataSize()
        // Headers without data cost their reader something, too.
        guard size <= limit, used + size + UInt64(TarHeader.size) <= Self.headerLimit + UInt64(TarHeader.size) else {
            throw OCIError(.hostile, "extended headers of more than \((used + min(size, 1 << 40)) >> 10) KiB for one entry")
        }
        used += size + UInt64(TarHeader.size)
        try count(size + UInt64(TarHeader.size))
        begin(size)
        let bytes = try input.read(Int(size))
        guard bytes.count == Int(size) else { throw OCIError(.damaged, "the archive ends within an extended header") }
        left = 0
        try skipRest()
        return bytes
    }

    /// Counts bytes that say something of files instead of being in them.
    private mutating func count(_ bytes: UInt64) throws {
        headerBytes += bytes
        guard headerBytes <= Self.freeHeaderBytes + UInt64(entries) * Self.headerBytesPerEntry else {
            throw OCIError(
                .hostile, "\(headerBytes >> 20) MiB of extended headers for \(entries) entries; nobody's archive has so many")
        }
    }

    private mutating func begin(_ size: UInt64) {
        left = size
        padding = Int((512 - size % 512) % 512)
    }

    private mutating func skipRest() throws {
        try content { _ in }
        guard try input.read(padding).count == padding else { throw OCIError(.damaged, "the archive ends within a file") }
        padding = 0
    }
}
