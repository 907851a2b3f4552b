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
        try comparison.compare(0, 0, path: "")
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

    mutating func compare(_ before: Int, _ after: Int, path: String) throws {
        try meter.addBytes(0)
        let (left, right) = (old.nodes[before], new.nodes[after])
        let aspects = Self.aspects(left, right)
        if !aspects.isEmpty {
            try meter.addBytes(path.utf8.count)
            changes.append(
                TreeChange(
                    path: path.isEmpty ? "/" : path, kind: .changed, aspects: aspects, oldSize: left.size,
                    newSize: right.size))
        }
        var (removed, added) = (Array(old.children(of: before))[...], Array(new.children(of: after))[...])
        while let index = removed.first ?? added.first {
            if let first = removed.first, let second = added.first {
                let (oldName, newName) = (old.nodes[first].name, new.nodes[second].name)
                if oldName == newName {
                    try compare(first, second, path: Self.path(path, oldName))
                    removed.removeFirst()
                    added.removeFirst()
                } else if oldName.lexicographicallyPrecedes(newName) {
                    try list(old, first, path, .removed)
                    removed.removeFirst()
                } else {
                    try list(new, second, path, .added)
                    added.removeFirst()
                }
            } else if removed.isEmpty {
                try list(new, index, path, .added)
                added.removeFirst()
            } else {
                try list(old, index, path, .removed)
                removed.removeFirst()
            }
        }
    }

    private mutating func list(_ tree: Tree, _ index: Int, _ parent: String, _ kind: TreeChange.Kind) throws {
        let node = tree.nodes[index]
        let path = Self.path(parent, node.name)
        try meter.addBytes(path.utf8.count)
        changes.append(
            TreeChange(
                path: path, kind: kind, aspects: [], oldSize: kind == .removed ? node.size : nil,
                newSize: kind == .added ? node.size : nil))
        for child in tree.children(of: index) { try list(tree, child, path, kind) }
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
