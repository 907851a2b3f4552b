import Crypto

/// Writes nodes as docs/layer-format.md has them, and folds directories from the leaves up.
struct TreeEncoder {
    private let tree: Tree
    /// Paths of the first names of files that have several, by inode.
    private var firstNames: [UInt64: [UInt8]] = [:]
    private var path: [UInt8] = []
    /// Bytes of all regular files so far, each counted once.
    private(set) var size: Int64 = 0

    init(_ tree: Tree) {
        self.tree = tree
    }

    mutating func layerID() -> LayerID {
        var hash = SHA256()
        hash.update(data: Array("dish.layer.1\0".utf8))
        var record: [UInt8] = []
        encode(0, to: &record)
        hash.update(data: record)
        return LayerID(digest: hash.finalize())
    }

    private mutating func digest(ofDirectory index: Int) -> SHA256.Digest {
        var hash = SHA256()
        hash.update(data: Array("dish.tree.1\0".utf8))
        var record: [UInt8] = []
        let length = path.count
        for child in tree.children(of: index) {
            let name = tree.nodes[child].name
            if length > 0 { path.append(UInt8(ascii: "/")) }
            path += name
            append(name, to: &record)
            encode(child, to: &record)
            path.removeSubrange(length...)
            if record.count > 4096 {
                hash.update(data: record)
                record.removeAll(keepingCapacity: true)
            }
        }
        hash.update(data: record)
        return hash.finalize()
    }

    private mutating func encode(_ index: Int, to record: inout [UInt8]) {
        let node = tree.nodes[index]
        if node.isLinked {
            if let first = firstNames[node.inode] {
                record.append(UInt8(ascii: "h"))
                append(first, to: &record)
                return
            }
            firstNames[node.inode] = path
        }
        switch node.kind {
        case .file: record.append(UInt8(ascii: "f"))
        case .directory: record.append(UInt8(ascii: "d"))
        case .link: record.append(UInt8(ascii: "l"))
        case .device(let type, _, _), .special(let type): record.append(type)
        }
        append(node.mode, to: &record)
        append(node.user, to: &record)
        append(node.group, to: &record)
        append(node.seconds, to: &record)
        append(node.nanoseconds, to: &record)
        append(UInt32(node.attributes.count), to: &record)
        for attribute in node.attributes {
            append(attribute.name, to: &record)
            append(attribute.value, to: &record)
        }
        switch node.kind {
        case .file(let length, let content):
            size = size.saturatingAdd(Int64(clamping: length))
            append(length, to: &record)
            content.withBytes { record.append(contentsOf: $0) }
        case .directory: record.append(contentsOf: digest(ofDirectory: index))
        case .link(let target): append(target, to: &record)
        case .device(_, let major, let minor):
            append(major, to: &record)
            append(minor, to: &record)
        case .special: break
        }
    }

    private func append(_ value: some FixedWidthInteger, to record: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { record.append(contentsOf: $0) }
    }

    private func append(_ bytes: [UInt8], to record: inout [UInt8]) {
        append(UInt32(bytes.count), to: &record)
        record += bytes
    }
}
