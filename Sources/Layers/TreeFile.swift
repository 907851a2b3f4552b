import Crypto
import Glibc
import Linux

/// A layer's tree as it is stored beside its root file system, so that nothing of the layer has to be read to
/// build on it, compare it or measure it.
///
/// `"dish.layer-tree.4\0"`, the UUID of the subvolume it was read from, the number of nodes, the nodes, and the
/// SHA-256 of all that. Numbers are LEB128 (7 bits a byte, lowest first), byte strings have their length before
/// them. A file is only valid for the subvolume it names: another one's inodes are others. An older one is read when nothing in it would
/// be another now: of version 1 or 2 when none of its files is large enough for its digest to be another (`FileDigest`), of any when no
/// node has a property of Btrfs among its attributes.
enum TreeFile {
    private static let magic = Array("dish.layer-tree.4\0".utf8)
    private static let olderMagics = (1...3).map { Array("dish.layer-tree.\($0)\0".utf8) }
    /// Bytes that are written at once.
    private static let piece = 256 << 10

    static func encode(_ tree: Tree, subvolume: String) -> [UInt8] {
        var bytes: [UInt8] = []
        encode(tree, subvolume) { bytes += $0 }
        return bytes
    }

    /// Replaces a file, or makes it. Memory doesn't grow with the tree.
    ///
    /// - Parameter durable: whether the file and its name are on disk on return.
    static func write(_ tree: Tree, subvolume: String, to path: String, durable: Bool) throws {
        try Files.replace(path, mode: 0o600, durable: durable) { file, name throws(SystemError) in
            try encode(tree, subvolume) { bytes throws(SystemError) in try Files.write(bytes, to: file, name) }
        }
    }

    private static func encode<Failure: Error>(
        _ tree: Tree, _ subvolume: String, _ body: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var hash = SHA256()
        var writer = RecordWriter(bytes: magic)
        func flush() throws(Failure) {
            hash.update(data: writer.bytes)
            try body(writer.bytes)
            writer.bytes.removeAll(keepingCapacity: true)
        }
        writer.append(Array(subvolume.utf8))
        writer.append(UInt64(tree.count))
        for node in tree.nodes {
            append(node, to: &writer)
            if writer.bytes.count >= piece { try flush() }
        }
        try flush()
        try body(Array(hash.finalize()))
    }

    /// The tree in a file; nil for anything but an undamaged file of that subvolume.
    ///
    /// - Throws: `TreeTooLarge` when it exceeds the current budget, `CancellationError`.
    static func read(_ path: String, subvolume: String) throws -> Tree? {
        guard let file = try? OwnedFD.open(path, O_RDONLY) else { return nil }
        // A node takes 60 bytes and more beside its names.
        var status = stat()
        guard fstat(file.number, &status) == 0 else { return nil }
        if let budget = TreeBudget.current, (Int(status.st_size) - budget.bytes) / 128 > budget.nodes {
            throw TreeTooLarge(budget: budget)
        }
        let number = file.number
        return try decode(Int(status.st_size), subvolume) { buffer in
            let count = try? retryingInterrupts("read", path) { Glibc.read(number, buffer.baseAddress, buffer.count) }
            return count ?? 0
        }
    }

    /// Nil for anything but an undamaged file of that subvolume.
    static func decode(_ bytes: [UInt8], subvolume: String) throws -> Tree? {
        var rest = bytes[...]
        return try decode(bytes.count, subvolume) { buffer in
            let piece = rest.prefix(buffer.count)
            buffer.copyBytes(from: piece)
            rest = rest.dropFirst(piece.count)
            return piece.count
        }
    }

    /// - Parameter source: puts the next bytes into a buffer and returns how many; 0 when there are no more.
    private static func decode(
        _ length: Int, _ subvolume: String, _ source: (UnsafeMutableRawBufferPointer) -> Int
    ) throws -> Tree? {
        guard length >= magic.count + 32 else { return nil }
        return try withoutActuallyEscaping(source) { source in
            var reader = Reader(length - 32, source)
            defer { reader.end() }
            guard let found = reader.raw(magic.count), found == magic || olderMagics.contains(found),
                let uuid = reader.string(), uuid.elementsEqual(subvolume.utf8), let count = reader.number(), count > 0,
                count <= UInt64(length)
            else { return nil }
            let hasOlderDigests = found == olderMagics[0] || found == olderMagics[1]
            var nodes = TreeNodes()
            var meter = TreeMeter()
            try meter.addNodes(Int(count))
            for _ in 0..<count {
                guard let node = reader.node(), !hasOlderDigests || (node.size ?? 0) < FileDigest.smallestSparse,
                    found == magic || !node.attributes.contains(where: \.isProperty)
                else { return nil }
                try meter.addBytes(node.name.count + node.attributes.reduce(0) { $0 + $1.name.count + $1.value.count })
                nodes.append(node)
            }
            return reader.isWhole() ? Tree(nodes: nodes) : nil
        }
    }

    private static func append(_ node: TreeNode, to writer: inout RecordWriter) {
        writer.bytes.append(node.type)
        writer.bytes.append(node.isLinked ? 1 : 0)
        writer.append(node.name)
        writer.append(node.inode)
        writer.append(UInt64(node.mode))
        writer.append(UInt64(node.user))
        writer.append(UInt64(node.group))
        // Times before 1970 keep their bits.
        writer.append(UInt64(bitPattern: node.seconds))
        writer.append(UInt64(node.nanoseconds))
        writer.append(UInt64(node.attributes.count))
        for attribute in node.attributes {
            writer.append(attribute.name)
            writer.append(attribute.value)
        }
        switch node.kind {
        case .file(let size, let content):
            writer.append(size)
            content.withBytes { writer.bytes.append(contentsOf: $0) }
        case .directory: writer.append(UInt64(node.descendants))
        case .link(let target): writer.append(target)
        case .device(_, let major, let minor):
            writer.append(UInt64(major))
            writer.append(UInt64(minor))
        case .special: break
        }
    }
}

/// Reads a file piece by piece.
private struct Reader {
    private let source: (UnsafeMutableRawBufferPointer) -> Int
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    private var position = 0
    private var filled = 0
    /// Bytes of the content that aren't in the buffer yet.
    private var left: Int
    private var hash = SHA256()

    /// - Parameter length: of the content, which its SHA-256 follows.
    init(_ length: Int, _ source: @escaping (UnsafeMutableRawBufferPointer) -> Int) {
        self.source = source
        left = length
    }

    func end() { buffer.deallocate() }

    /// Makes so many bytes lie in the buffer; false when there are fewer.
    private mutating func need(_ count: Int) -> Bool {
        if filled - position >= count { return true }
        guard count >= 0, count <= filled - position + left else { return false }
        let rest = UnsafeRawBufferPointer(rebasing: buffer[position..<filled])
        if count > buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 2 * buffer.count), alignment: 16)
            larger.copyMemory(from: rest)
            buffer.deallocate()
            buffer = larger
        } else if position > 0, !rest.isEmpty {
            memmove(buffer.baseAddress!, rest.baseAddress!, rest.count)
        }
        (position, filled) = (0, rest.count)
        while filled < count {
            let got = source(UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<min(buffer.count, filled + left)]))
            guard got > 0 else { return false }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[filled..<filled + got]))
            filled += got
            left -= got
        }
        return true
    }

    /// True if all was read, and its SHA-256 follows.
    mutating func isWhole() -> Bool {
        guard left == 0, position == filled else { return false }
        var expected = [UInt8](repeating: 0, count: 32)
        var count = 0
        while count < 32 {
            let start = count
            let got = expected.withUnsafeMutableBytes { source(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
            guard got > 0 else { return false }
            count += got
        }
        return hash.finalize().elementsEqual(expected)
    }

    mutating func byte() -> UInt8? {
        guard need(1) else { return nil }
        defer { position += 1 }
        return buffer[position]
    }

    mutating func number() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = byte() else { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    mutating func number32() -> UInt32? {
        number().flatMap { UInt32(exactly: $0) }
    }

    mutating func raw(_ count: Int) -> [UInt8]? {
        guard need(count) else { return nil }
        defer { position += count }
        return Array(buffer[position..<position + count])
    }

    mutating func string() -> [UInt8]? {
        guard let length = number(), let count = Int(exactly: length) else { return nil }
        return raw(count)
    }

    mutating func node() -> TreeNode? {
        guard let type = byte(), let flags = byte(), let name = string(), let inode = number(), let mode = number32(),
            let user = number32(), let group = number32(), let seconds = number(), let nanoseconds = number32(),
            let attributeCount = number(), attributeCount <= UInt64(left + filled - position)
        else { return nil }
        var attributes: [TreeNode.Attribute] = []
        for _ in 0..<attributeCount {
            guard let name = string(), let value = string() else { return nil }
            attributes.append(.init(name: name, value: value))
        }
        var node = TreeNode(
            name: name, kind: .directory, mode: mode, user: user, group: group,
            seconds: Int64(bitPattern: seconds), nanoseconds: nanoseconds, attributes: attributes, inode: inode,
            isLinked: flags != 0)
        switch type {
        case UInt8(ascii: "f"):
            guard let size = number(), let digest = raw(32) else { return nil }
            node.kind = .file(size: size, content: ContentDigest(digest))
        case UInt8(ascii: "d"):
            guard let descendants = number(), descendants <= UInt64(UInt32.max) else { return nil }
            node.descendants = Int(descendants)
        case UInt8(ascii: "l"):
            guard let target = string() else { return nil }
            node.kind = .link(target: target)
        case UInt8(ascii: "c"), UInt8(ascii: "b"):
            guard let major = number32(), let minor = number32() else { return nil }
            node.kind = .device(type: type, major: major, minor: minor)
        case UInt8(ascii: "p"), UInt8(ascii: "s"): node.kind = .special(type: type)
        default: return nil
        }
        return node
    }
}
