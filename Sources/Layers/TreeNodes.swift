import Glibc

/// The nodes of a tree in their order, packed: a million of them take some 70 MB beside what their names are long.
///
/// Each node is a record of bytes. `subscript` gives a node as a value, which allocates; what looks at all nodes of a tree asks for the one
/// field that it needs.
struct TreeNodes: RandomAccessCollection, Sendable {
    /// Records, and where each begins.
    private struct Chunk {
        var bytes: [UInt8] = []
        var starts: [UInt32] = []
    }

    /// Nodes of a chunk: each but the last one has as many.
    private static let chunkNodes = 1 << chunkShift
    private static let chunkShift = 12
    /// Full ones, of exactly the size that they need.
    private var chunks: [Chunk] = []
    private var last = Chunk()
    private(set) var count = 0
    /// All lists of attributes that nodes have, each once; the first is empty.
    private(set) var attributeLists: [[TreeNode.Attribute]] = [[]]
    private var attributeNumbers: [[TreeNode.Attribute]: Int] = [:]

    init() {}

    init(_ nodes: some Sequence<TreeNode>) {
        for node in nodes { append(node) }
    }

    /// An empty one that takes nodes of another without packing them anew (`append(_:of:)`).
    init(like other: TreeNodes) {
        (attributeLists, attributeNumbers) = (other.attributeLists, other.attributeNumbers)
    }

    var startIndex: Int { 0 }
    var endIndex: Int { count }

    subscript(index: Int) -> TreeNode {
        withRecord(index) { record in
            var node = TreeNode(
                name: Array(record.name), kind: .directory, mode: record.number32(), user: record.number32(),
                group: record.number32(),
                seconds: Int64(bitPattern: record.number()), nanoseconds: record.number32(),
                attributes: attributeLists[Int(record.number())], inode: 0, isLinked: record.isLinked)
            switch record.type {
            case UInt8(ascii: "f"): node.kind = .file(size: record.number(), content: record.digest)
            case UInt8(ascii: "d"): node.descendants = record.descendants
            case UInt8(ascii: "l"): node.kind = .link(target: record.bytes())
            case UInt8(ascii: "c"), UInt8(ascii: "b"):
                node.kind = .device(type: record.type, major: record.number32(), minor: record.number32())
            default: node.kind = .special(type: record.type)
            }
            node.inode = record.number()
            return node
        }
    }

    // MARK: Fields

    /// As in a file of trees: `f`, `d`, `l`, `c`, `b`, `p`, `s`.
    func type(_ index: Int) -> UInt8 { withRecord(index) { $0.type } }

    func isDirectory(_ index: Int) -> Bool { type(index) == UInt8(ascii: "d") }

    func isFile(_ index: Int) -> Bool { type(index) == UInt8(ascii: "f") }

    func isLinked(_ index: Int) -> Bool { withRecord(index) { $0.isLinked } }

    func descendants(_ index: Int) -> Int { withRecord(index) { $0.descendants } }

    func inode(_ index: Int) -> UInt64 {
        withRecord(index) { record in
            record.skipToKind()
            switch record.type {
            case UInt8(ascii: "f"): _ = record.number()
            case UInt8(ascii: "l"): record.skipBytes()
            case UInt8(ascii: "c"), UInt8(ascii: "b"):
                _ = record.number()
                _ = record.number()
            default: break
            }
            return record.number()
        }
    }

    /// Modification time.
    func time(_ index: Int) -> (seconds: Int64, nanoseconds: UInt32) {
        withRecord(index) { record in
            for _ in 0..<3 { _ = record.number() }
            return (Int64(bitPattern: record.number()), record.number32())
        }
    }

    func owner(_ index: Int) -> (user: UInt32, group: UInt32) {
        withRecord(index) { record in
            _ = record.number()
            return (record.number32(), record.number32())
        }
    }

    /// Size and digest of a regular file.
    func content(_ index: Int) -> (size: UInt64, digest: ContentDigest)? {
        withRecord(index) { record in
            guard record.type == UInt8(ascii: "f") else { return nil }
            record.skipToKind()
            return (record.number(), record.digest)
        }
    }

    func attributes(_ index: Int) -> [TreeNode.Attribute] {
        withRecord(index) { record in
            for _ in 0..<5 { _ = record.number() }
            return attributeLists[Int(record.number())]
        }
    }

    func withName<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withRecord(index) { try body($0.name) }
    }

    /// Less than zero when the name of a node comes before that of a node of another tree, 0 when both are the same.
    func compareNames(_ index: Int, _ other: TreeNodes, _ otherIndex: Int) -> Int {
        withName(index) { name in other.withName(otherIndex) { Self.compare(name, $0) } }
    }

    static func compare(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Int {
        let common = Swift.min(one.count, other.count)
        if common > 0 {
            let order = memcmp(one.baseAddress!, other.baseAddress!, common)
            if order != 0 { return Int(order) }
        }
        return one.count - other.count
    }

    /// True if a node is certainly the same as one of another tree but for its inode and what lies below it. False means that their values
    /// have to be compared.
    func isEqual(_ index: Int, _ other: TreeNodes, _ otherIndex: Int) -> Bool {
        func hasAttributes(_ nodes: TreeNodes, _ index: Int) -> Bool {
            nodes.attributeLists.count > 1 && !nodes.attributes(index).isEmpty
        }
        if hasAttributes(self, index) || hasAttributes(other, otherIndex) { return false }
        return withRecord(index) { one in other.withRecord(otherIndex) { one.isEqual(to: $0) } }
    }

    // MARK: Changes

    mutating func append(_ node: TreeNode) {
        let number = number(of: node.attributes)
        startRecord()
        var record = RecordWriter(bytes: last.bytes)
        last.bytes = []
        record.append(node, attributes: number)
        last.bytes = record.bytes
        count += 1
    }

    /// Appends nodes of another tree, which this one was made like.
    mutating func append(_ range: Range<Int>, of other: TreeNodes) {
        for index in range {
            startRecord()
            other.withBytes(index) { last.bytes.append(contentsOf: $0) }
            count += 1
        }
    }

    mutating func setDigest(_ digest: ContentDigest, at index: Int) {
        change(index) { bytes in digest.withBytes { UnsafeMutableRawBufferPointer(rebasing: bytes[2..<34]).copyMemory(from: $0) }
        }
    }

    mutating func setDescendants(_ descendants: Int, at index: Int) {
        change(index) { $0.storeBytes(of: UInt32(descendants).littleEndian, toByteOffset: 2, as: UInt32.self) }
    }

    private mutating func change(_ index: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
        let (chunk, place) = (index >> Self.chunkShift, index & (Self.chunkNodes - 1))
        if chunk < chunks.count {
            let start = Int(chunks[chunk].starts[place])
            chunks[chunk].bytes.withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
        } else {
            let start = Int(last.starts[place])
            last.bytes.withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
        }
    }

    private mutating func startRecord() {
        if last.starts.count == Self.chunkNodes {
            // Exactly as large as what is in it.
            chunks.append(
                Chunk(bytes: last.bytes.withUnsafeBytes { Array($0) }, starts: last.starts.withUnsafeBufferPointer { Array($0) }))
            last.bytes.removeAll(keepingCapacity: true)
            last.starts.removeAll(keepingCapacity: true)
        }
        last.starts.append(UInt32(last.bytes.count))
    }

    private mutating func number(of attributes: [TreeNode.Attribute]) -> Int {
        if attributes.isEmpty { return 0 }
        if let number = attributeNumbers[attributes] { return number }
        attributeNumbers[attributes] = attributeLists.count
        attributeLists.append(attributes)
        return attributeLists.count - 1
    }

    // MARK: Records

    private func withBytes<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let (chunk, place) = (index >> Self.chunkShift, index & (Self.chunkNodes - 1))
        func within(_ chunk: borrowing Chunk) throws -> Result {
            let start = Int(chunk.starts[place])
            let end = place + 1 < chunk.starts.count ? Int(chunk.starts[place + 1]) : chunk.bytes.count
            return try chunk.bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
        }
        return try chunk < chunks.count ? within(chunks[chunk]) : within(last)
    }

    private func withRecord<Result>(_ index: Int, _ body: (inout TreeRecord) throws -> Result) rethrows -> Result {
        try withBytes(index) { bytes in
            var record = TreeRecord(bytes)
            return try body(&record)
        }
    }
}
