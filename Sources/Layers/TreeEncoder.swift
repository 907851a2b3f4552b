import Crypto

/// Writes nodes as docs/layer-format.md has them, and folds directories from the leaves up.
struct TreeEncoder {
    /// A directory whose entries are hashed.
    private struct Level {
        let end: Int
        var hash = SHA256()
        /// The bytes that are hashed next.
        var record = Array("dish.tree.1\0".utf8)
    }

    private let tree: Tree
    /// The first nodes of files that have several names, by inode.
    private var firstNames: [UInt64: Int] = [:]
    private var paths: TreePaths?
    private var levels: [Level] = []
    /// Bytes of all regular files so far, each counted once.
    private(set) var size: Int64 = 0

    init(_ tree: Tree) {
        self.tree = tree
    }

    mutating func layerID() -> LayerID {
        var hash = SHA256()
        hash.update(data: Array("dish.layer.1\0".utf8))
        var root: [UInt8] = []
        encode(0, tree.nodes[0], to: &root)
        levels = [Level(end: tree.count)]
        var record: [UInt8] = []
        for index in 1..<max(1, tree.count) {
            while let last = levels.last, index >= last.end { endDirectory() }
            let node = tree.nodes[index]
            record.removeAll(keepingCapacity: true)
            append(node.name, to: &record)
            encode(index, node, to: &record)
            levels[levels.count - 1].record += record
            flush()
            if case .directory = node.kind { levels.append(Level(end: index + 1 + node.descendants)) }
        }
        while levels.count > 1 { endDirectory() }
        hash.update(data: root)
        hash.update(data: digest(of: levels.removeLast()))
        return LayerID(digest: hash.finalize())
    }

    private mutating func endDirectory() {
        let digest = digest(of: levels.removeLast())
        levels[levels.count - 1].record += digest
    }

    private func digest(of level: Level) -> [UInt8] {
        var level = level
        level.hash.update(data: level.record)
        return Array(level.hash.finalize())
    }

    private mutating func flush() {
        let last = levels.count - 1
        guard levels[last].record.count > 4096 else { return }
        levels[last].hash.update(data: levels[last].record)
        levels[last].record.removeAll(keepingCapacity: true)
    }

    /// A node, but for the digest of a directory, which comes last.
    private mutating func encode(_ index: Int, _ node: TreeNode, to record: inout [UInt8]) {
        if node.isLinked {
            if let first = firstNames[node.inode] {
                let paths = paths ?? TreePaths(tree)
                self.paths = paths
                record.append(UInt8(ascii: "h"))
                append(paths.path(first), to: &record)
                return
            }
            firstNames[node.inode] = index
        }
        record.append(node.type)
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
        case .link(let target): append(target, to: &record)
        case .device(_, let major, let minor):
            append(major, to: &record)
            append(minor, to: &record)
        case .directory, .special: break
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
