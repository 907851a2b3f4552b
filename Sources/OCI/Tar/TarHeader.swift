/// A header block of a tar archive: POSIX ustar and GNU's variant of it (tar(5)).
struct TarHeader {
    static let size = 512

    let block: [UInt8]

    /// Nil for a block of zeros, which ends an archive.
    ///
    /// - Throws: `OCIError` `.damaged` when the checksum is wrong.
    init?(_ block: [UInt8]) throws {
        self.block = block
        if block.allSatisfy({ $0 == 0 }) { return nil }
        let sum = block.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
        guard try number(148, 8) == UInt64(sum) else { throw OCIError(.damaged, "a header's checksum is wrong") }
    }

    var type: UInt8 { block[156] }
    private var isGNU: Bool { block[257..<265].elementsEqual("ustar  \0".utf8) }
    private var isPOSIX: Bool { block[257..<263].elementsEqual("ustar\0".utf8) }

    var path: [UInt8] {
        let name = text(0, 100)
        let prefix = isPOSIX ? text(345, 155) : []
        return prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    var link: [UInt8] { text(157, 100) }

    /// Bytes that follow it.
    func dataSize() throws -> UInt64 { try number(124, 12) }

    /// What the header says by itself; extended headers before it may say otherwise.
    func entry() throws -> TarEntry {
        let kind: TarEntry.Kind
        switch type {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"), UInt8(ascii: "S"): kind = .file
        case UInt8(ascii: "1"): kind = .hardLink
        case UInt8(ascii: "2"): kind = .symbolicLink
        case UInt8(ascii: "3"): kind = .characterDevice
        case UInt8(ascii: "4"): kind = .blockDevice
        case UInt8(ascii: "5"): kind = .directory
        case UInt8(ascii: "6"): kind = .fifo
        default: throw OCIError(.unsupported, "an entry of type \(type) is none that an image can have")
        }
        var entry = TarEntry(path: path, kind: kind)
        entry.mode = try UInt32(truncatingIfNeeded: number(100, 8)) & 0o7777
        entry.user = try identity(108)
        entry.group = try identity(116)
        entry.size = try number(124, 12)
        entry.seconds = try signedNumber(136, 12)
        entry.link = link
        if kind == .characterDevice || kind == .blockDevice {
            entry.major = try UInt32(truncatingIfNeeded: number(329, 8))
            entry.minor = try UInt32(truncatingIfNeeded: number(337, 8))
        }
        return entry
    }

    /// GNU's old way to store a sparse file: up to four regions, whether more follow, the file's size.
    func sparse() throws -> (regions: [TarEntry.Region], continues: Bool, size: UInt64) {
        (try Self.regions(block, from: 386, count: 4), block[482] != 0, try number(483, 12))
    }

    /// Regions in a block that continues an old sparse header.
    static func continuation(_ block: [UInt8]) throws -> (regions: [TarEntry.Region], continues: Bool) {
        (try regions(block, from: 0, count: 21), block[504] != 0)
    }

    private static func regions(_ block: [UInt8], from start: Int, count: Int) throws -> [TarEntry.Region] {
        try (0..<count).compactMap { index in
            let position = start + index * 24
            if block[position] == 0 { return nil }
            return TarEntry.Region(
                offset: try number(block[position..<position + 12]), length: try number(block[position + 12..<position + 24]))
        }
    }

    private func identity(_ start: Int) throws -> UInt32 {
        // The last one means "leave it as it is" to the kernel.
        guard let id = UInt32(exactly: try number(start, 8)), id < .max else {
            throw OCIError(.damaged, "an owner's id is larger than there are ids")
        }
        return id
    }

    private func text(_ start: Int, _ length: Int) -> [UInt8] { Array(block[start..<start + length].prefix { $0 != 0 }) }

    private func number(_ start: Int, _ length: Int) throws -> UInt64 { try Self.number(block[start..<start + length]) }

    private func signedNumber(_ start: Int, _ length: Int) throws -> Int64 {
        let field = block[start..<start + length]
        // Base 256 with all bits of the sign set: two's complement.
        if field.first == 0xff {
            return field.reduce(Int64(-1)) { $0 << 8 | Int64($1) }
        }
        guard let value = Int64(exactly: try Self.number(field)) else { throw OCIError(.damaged, "a time is out of range") }
        return value
    }

    /// Octal digits with blanks or zeros around them or, with the first bit set, base 256.
    private static func number(_ field: ArraySlice<UInt8>) throws -> UInt64 {
        guard let first = field.first else { return 0 }
        if first & 0x80 != 0 {
            var value = UInt64(first & 0x7f)
            for byte in field.dropFirst() {
                guard value >> 56 == 0 else { throw OCIError(.damaged, "a number in a header is out of range") }
                value = value << 8 | UInt64(byte)
            }
            guard first & 0x40 == 0 else { throw OCIError(.damaged, "a negative number in a header") }
            return value
        }
        var value: UInt64 = 0
        for byte in field.drop(while: { $0 == 32 }).prefix(while: { $0 != 0 && $0 != 32 }) {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte), value >> 61 == 0 else {
                throw OCIError(.damaged, "a number in a header has other digits than octal ones")
            }
            value = value << 3 | UInt64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
