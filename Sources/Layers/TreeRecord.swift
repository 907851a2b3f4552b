/// A node's record in `TreeNodes`: type, whether it is linked, the digest of a file (32 bytes) or the number of a directory's descendants
/// (4 bytes), then name, mode, user, group, seconds, nanoseconds, the number of its list of attributes, what its type has, the inode.
///
/// Numbers are LEB128 (7 bits a byte, lowest first), byte strings have their length before them.
struct TreeRecord {
    private let record: UnsafeRawBufferPointer
    private var position: Int
    let name: UnsafeRawBufferPointer

    init(_ record: UnsafeRawBufferPointer) {
        self.record = record
        position =
            switch record[0] {
            case UInt8(ascii: "f"): 34
            case UInt8(ascii: "d"): 6
            default: 2
            }
        let length = Self.number(record, &position)
        name = UnsafeRawBufferPointer(rebasing: record[position..<position + Int(length)])
        position += Int(length)
    }

    var type: UInt8 { record[0] }
    var isLinked: Bool { record[1] != 0 }
    var digest: ContentDigest { ContentDigest(record[2..<34]) }
    var descendants: Int {
        type == UInt8(ascii: "d") ? Int(record.loadUnaligned(fromByteOffset: 2, as: UInt32.self).littleEndian) : 0
    }

    /// The next number.
    mutating func number() -> UInt64 { Self.number(record, &position) }

    mutating func number32() -> UInt32 { UInt32(truncatingIfNeeded: number()) }

    mutating func bytes() -> [UInt8] {
        let length = Int(number())
        defer { position += length }
        return Array(record[position..<position + length])
    }

    mutating func skipBytes() { position += Int(number()) }

    /// Goes on to what comes after the attributes.
    mutating func skipToKind() { for _ in 0..<6 { _ = number() } }

    /// Compares all but the inode, which comes last, and a directory's descendants.
    func isEqual(to other: TreeRecord) -> Bool {
        guard type == other.type, isLinked == other.isLinked, type != UInt8(ascii: "f") || digest == other.digest else {
            return false
        }
        var (one, another) = (self, other)
        guard TreeNodes.compare(one.name, another.name) == 0 else { return false }
        for _ in 0..<6 where one.number() != another.number() { return false }
        switch type {
        case UInt8(ascii: "f"): return one.number() == another.number()
        case UInt8(ascii: "l"): return one.bytes() == another.bytes()
        case UInt8(ascii: "c"), UInt8(ascii: "b"): return one.number() == another.number() && one.number() == another.number()
        default: return true
        }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }
}

/// Appends records, and other things in the same form, to bytes.
struct RecordWriter {
    var bytes: [UInt8] = []

    /// - Parameter attributes: the number of the node's list of attributes.
    mutating func append(_ node: TreeNode, attributes: Int) {
        bytes.append(node.type)
        bytes.append(node.isLinked ? 1 : 0)
        if case .file(_, let content) = node.kind { content.withBytes { bytes.append(contentsOf: $0) } }
        if case .directory = node.kind {
            withUnsafeBytes(of: UInt32(node.descendants).littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(node.name)
        append(UInt64(node.mode))
        append(UInt64(node.user))
        append(UInt64(node.group))
        // Times before 1970 keep their bits.
        append(UInt64(bitPattern: node.seconds))
        append(UInt64(node.nanoseconds))
        append(UInt64(attributes))
        switch node.kind {
        case .file(let size, _): append(size)
        case .link(let target): append(target)
        case .device(_, let major, let minor):
            append(UInt64(major))
            append(UInt64(minor))
        case .directory, .special: break
        }
        append(node.inode)
    }

    mutating func append(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func append(_ string: [UInt8]) {
        append(UInt64(string.count))
        bytes += string
    }
}
