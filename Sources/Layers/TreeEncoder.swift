import Crypto

/// Writes nodes as docs/layer-format.md has them, and folds directories from the leaves up.
struct TreeEncoder {
    let tree: TreeWalk
    let contents: [Int: [UInt8]]

    mutating func layerID() -> LayerID {
        var hash = SHA256()
        hash.update(data: Array("dish.layer.1\0".utf8))
        hash.update(data: encode(0))
        return LayerID(digest: hash.finalize())
    }

    private func digest(ofDirectory children: [Int]) -> [UInt8] {
        var hash = SHA256()
        hash.update(data: Array("dish.tree.1\0".utf8))
        for child in children {
            var record: [UInt8] = []
            append(tree.nodes[child].name, to: &record)
            record += encode(child)
            hash.update(data: record)
        }
        return Array(hash.finalize())
    }

    private func encode(_ index: Int) -> [UInt8] {
        let node = tree.nodes[index]
        var record: [UInt8] = []
        switch node.kind {
        case .furtherName(let first):
            record.append(UInt8(ascii: "h"))
            append(first, to: &record)
            return record
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
        case .file(let size):
            append(size, to: &record)
            record += contents[index] ?? []
        case .directory(let children): record += digest(ofDirectory: children)
        case .link(let target): append(target, to: &record)
        case .device(_, let major, let minor):
            append(major, to: &record)
            append(minor, to: &record)
        case .special, .furtherName: break
        }
        return record
    }

    private func append(_ value: some FixedWidthInteger, to record: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { record.append(contentsOf: $0) }
    }

    private func append(_ bytes: [UInt8], to record: inout [UInt8]) {
        append(UInt32(bytes.count), to: &record)
        record += bytes
    }
}
