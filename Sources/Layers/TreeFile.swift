import Crypto
import Glibc
import Linux

/// A layer's tree as it is stored beside its root file system, so that nothing of the layer has to be read to
/// build on it, compare it or measure it.
///
/// `"dish.layer-tree.3\0"`, the UUID of the subvolume it was read from, the number of nodes, the nodes, and the
/// SHA-256 of all that. Numbers are LEB128 (7 bits a byte, lowest first), byte strings have their length before
/// them. A file is only valid for the subvolume it names: another one's inodes are others. One of version 1 or 2 is read when none of
/// its files is large enough for its digest to be another now (`FileDigest`).
enum TreeFile {
    private static let magic = Array("dish.layer-tree.3\0".utf8)
    private static let olderMagics = [Array("dish.layer-tree.1\0".utf8), Array("dish.layer-tree.2\0".utf8)]

    static func encode(_ tree: Tree, subvolume: String) -> [UInt8] {
        var bytes = magic
        bytes.reserveCapacity(tree.count * 80)
        append(Array(subvolume.utf8), to: &bytes)
        append(UInt64(tree.count), to: &bytes)
        for node in tree.nodes { append(node, to: &bytes) }
        bytes += ContentHash.bytes(bytes)
        return bytes
    }

    /// The tree in a file; nil for anything but an undamaged file of that subvolume.
    ///
    /// - Throws: `TreeTooLarge` when it exceeds the current budget, `CancellationError`.
    static func read(_ path: String, subvolume: String) throws -> Tree? {
        guard let file = try? OwnedFD.open(path, O_RDONLY) else { return nil }
        // A node takes 60 bytes and more beside its names.
        var status = stat()
        if let budget = TreeBudget.current, fstat(file.number, &status) == 0,
            (Int(status.st_size) - budget.bytes) / 128 > budget.nodes
        {
            throw TreeTooLarge(budget: budget)
        }
        guard let bytes = try? Files.read(file, path) else { return nil }
        return try decode(bytes, subvolume: subvolume)
    }

    /// Nil for anything but an undamaged file of that subvolume.
    static func decode(_ bytes: [UInt8], subvolume: String) throws -> Tree? {
        let content = bytes.dropLast(32)
        let isOlder = olderMagics.contains { content.starts(with: $0) }
        guard isOlder || content.starts(with: magic), ContentHash.bytes(content).elementsEqual(bytes.suffix(32)) else {
            return nil
        }
        return try content.withUnsafeBytes { content in
            var reader = Reader(bytes: content, position: magic.count)
            guard let uuid = reader.string(), uuid.elementsEqual(subvolume.utf8), let count = reader.number(), count > 0,
                count <= UInt64(content.count)
            else { return nil }
            var nodes: [TreeNode] = []
            var meter = TreeMeter()
            try meter.addNodes(Int(count))
            nodes.reserveCapacity(Int(count))
            for _ in 0..<count {
                guard let node = reader.node(), !isOlder || (node.size ?? 0) < FileDigest.smallestSparse else { return nil }
                try meter.addBytes(node.name.count + node.attributes.reduce(0) { $0 + $1.name.count + $1.value.count })
                nodes.append(node)
            }
            return reader.position == content.count ? Tree(nodes: nodes) : nil
        }
    }

    private static func append(_ node: TreeNode, to bytes: inout [UInt8]) {
        let type: UInt8 =
            switch node.kind {
            case .file: UInt8(ascii: "f")
            case .directory: UInt8(ascii: "d")
            case .link: UInt8(ascii: "l")
            case .device(let type, _, _), .special(let type): type
            }
        bytes.append(type)
        bytes.append(node.isLinked ? 1 : 0)
        append(node.name, to: &bytes)
        append(node.inode, to: &bytes)
        append(UInt64(node.mode), to: &bytes)
        append(UInt64(node.user), to: &bytes)
        append(UInt64(node.group), to: &bytes)
        // Times before 1970 keep their bits.
        append(UInt64(bitPattern: node.seconds), to: &bytes)
        append(UInt64(node.nanoseconds), to: &bytes)
        append(UInt64(node.attributes.count), to: &bytes)
        for attribute in node.attributes {
            append(attribute.name, to: &bytes)
            append(attribute.value, to: &bytes)
        }
        switch node.kind {
        case .file(let size, let content):
            append(size, to: &bytes)
            content.withBytes { bytes.append(contentsOf: $0) }
        case .directory: append(UInt64(node.descendants), to: &bytes)
        case .link(let target): append(target, to: &bytes)
        case .device(_, let major, let minor):
            append(UInt64(major), to: &bytes)
            append(UInt64(minor), to: &bytes)
        case .special: break
        }
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func append(_ string: [UInt8], to bytes: inout [UInt8]) {
        append(UInt64(string.count), to: &bytes)
        bytes += string
    }
}

private struct Reader {
    let bytes: UnsafeRawBufferPointer
    var position: Int

    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
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

    mutating func string() -> [UInt8]? {
        guard let length = number(), length <= UInt64(bytes.count - position) else { return nil }
        defer { position += Int(length) }
        return Array(bytes[position..<position + Int(length)])
    }

    mutating func node() -> TreeNode? {
        guard let type = byte(), let flags = byte(), let name = string(), let inode = number(), let mode = number32(),
            let user = number32(), let group = number32(), let seconds = number(), let nanoseconds = number32(),
            let count = number(), count <= UInt64(bytes.count)
        else { return nil }
        var attributes: [TreeNode.Attribute] = []
        for _ in 0..<count {
            guard let name = string(), let value = string() else { return nil }
            attributes.append(.init(name: name, value: value))
        }
        var node = TreeNode(
            name: name, kind: .directory, mode: mode, user: user, group: group,
            seconds: Int64(bitPattern: seconds), nanoseconds: nanoseconds, attributes: attributes, inode: inode,
            isLinked: flags != 0)
        switch type {
        case UInt8(ascii: "f"):
            guard let size = number(), bytes.count - position >= 32 else { return nil }
            node.kind = .file(size: size, content: ContentDigest(bytes[position..<position + 32]))
            position += 32
        case UInt8(ascii: "d"):
            guard let descendants = number(), descendants <= UInt64(bytes.count) else { return nil }
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
