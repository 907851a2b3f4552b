/// One difference between two trees.
public struct TreeChange: Sendable, Codable, Equatable {
    public enum Kind: String, Sendable, Codable {
        case added
        case removed
        case changed
    }

    /// Absolute, `/` for the root.
    public let path: String
    public let kind: Kind
    /// What of a changed one differs: `type`, `content`, `target`, `device`, `mode`, `owner`, `attributes`, `time`.
    public let aspects: [String]
    /// Bytes of a regular file before and after; nil for everything else.
    public let oldSize: UInt64?
    public let newSize: UInt64?
}

extension Tree {
    /// What must be done to another tree to make it this one, sorted by path.
    ///
    /// Of directories that are only in one of them, all that is below them is listed. A directory's time isn't
    /// compared: it changes with the directory's entries, which are listed themselves.
    ///
    /// - Throws: `TreeTooLarge` when the list exceeds the current budget, `CancellationError`.
    public func changes(from old: Tree) throws -> [TreeChange] {
        var comparison = TreeComparer(old: old, new: self)
        try comparison.compare()
        return comparison.changes
    }
}

private struct TreeComparer {
    let old: Tree
    let new: Tree
    var changes: [TreeChange] = []
    private var meter = TreeMeter()

    init(old: Tree, new: Tree) {
        self.old = old
        self.new = new
    }

    /// Two directories whose entries are compared, and how far.
    private struct Level {
        let path: String
        var before: Int
        let oldEnd: Int
        var after: Int
        let newEnd: Int
    }

    /// Compares the trees; at any depth.
    mutating func compare() throws {
        var levels = [try compare(0, 0, path: "")]
        while var level = levels.popLast() {
            if level.before >= level.oldEnd, level.after >= level.newEnd { continue }
            let order =
                level.before >= level.oldEnd
                ? 1 : level.after >= level.newEnd ? -1 : old.nodes.compareNames(level.before, new.nodes, level.after)
            let (before, after) = (level.before, level.after)
            if order <= 0 { level.before += 1 + old.nodes.descendants(before) }
            if order >= 0 { level.after += 1 + new.nodes.descendants(after) }
            levels.append(level)
            if order == 0 {
                levels.append(try compare(before, after, path: Self.path(level.path, old.nodes[before].name)))
            } else if order < 0 {
                try list(old, before, level.path, .removed)
            } else {
                try list(new, after, level.path, .added)
            }
        }
    }

    /// Compares two nodes, and says what is to be compared below them.
    private mutating func compare(_ before: Int, _ after: Int, path: String) throws -> Level {
        try meter.addBytes(0)
        if !old.nodes.isEqual(before, new.nodes, after) {
            let (left, right) = (old.nodes[before], new.nodes[after])
            let aspects = Self.aspects(left, right)
            if !aspects.isEmpty {
                try meter.addBytes(path.utf8.count)
                changes.append(
                    TreeChange(
                        path: path.isEmpty ? "/" : path, kind: .changed, aspects: aspects, oldSize: left.size,
                        newSize: right.size))
            }
        }
        return Level(
            path: path, before: before + 1, oldEnd: before + 1 + old.nodes.descendants(before), after: after + 1,
            newEnd: after + 1 + new.nodes.descendants(after))
    }

    /// Lists a node and all below it.
    private mutating func list(_ tree: Tree, _ top: Int, _ parent: String, _ kind: TreeChange.Kind) throws {
        var above: [(end: Int, path: String)] = [(.max, parent)]
        for index in top...top + tree.nodes.descendants(top) {
            while let last = above.last, index >= last.end { above.removeLast() }
            let node = tree.nodes[index]
            let path = Self.path(above.last?.path ?? parent, node.name)
            try meter.addBytes(path.utf8.count)
            changes.append(
                TreeChange(
                    path: path, kind: kind, aspects: [], oldSize: kind == .removed ? node.size : nil,
                    newSize: kind == .added ? node.size : nil))
            if node.descendants > 0 { above.append((index + 1 + node.descendants, path)) }
        }
    }

    private static func path(_ parent: String, _ name: [UInt8]) -> String {
        "\(parent)/\(String(decoding: name, as: UTF8.self))"
    }

    private static func aspects(_ old: TreeNode, _ new: TreeNode) -> [String] {
        var aspects: [String] = []
        switch (old.kind, new.kind) {
        case (.file, .file): if old.kind != new.kind { aspects.append("content") }
        case (.link, .link): if old.kind != new.kind { aspects.append("target") }
        case (.device(let type, _, _), .device(let other, _, _)) where type == other:
            if old.kind != new.kind { aspects.append("device") }
        default: if old.kind != new.kind { aspects.append("type") }
        }
        if old.mode != new.mode { aspects.append("mode") }
        if old.user != new.user || old.group != new.group { aspects.append("owner") }
        if old.attributes != new.attributes { aspects.append("attributes") }
        let isDirectory = old.kind == .directory && new.kind == .directory
        if !isDirectory, old.seconds != new.seconds || old.nanoseconds != new.nanoseconds { aspects.append("time") }
        return aspects
    }
}

extension TreeNode {
    /// Bytes of a regular file.
    public var size: UInt64? {
        if case .file(let size, _) = kind { size } else { nil }
    }
}
