/// How one tree becomes another: which nodes stay what they are, which move, which go. It depends on nothing but what the
/// two trees' identities are made of.
struct StreamPlan {
    /// What becomes of a node of the new tree.
    enum Origin: Equatable {
        /// It is the old tree's node at the same path, changed at most.
        case kept(Int)
        /// It is an old file from another path, which is gone.
        case moved(Int)
        /// It is made; its content may be the old file's.
        case made(like: Int?)
    }

    let old: TreePaths
    let new: TreePaths
    /// By node of the new tree: its kind, and the old node.
    private var kinds: [Kind]
    private var sources: [UInt32]
    /// By node of the old tree: whether its name goes.
    private(set) var isGone: [Bool]

    private enum Kind: UInt8 {
        case made, like, kept, moved
    }

    private static let none = UInt32.max

    init(from old: TreePaths, to new: TreePaths) {
        self.old = old
        self.new = new
        kinds = Array(repeating: .made, count: new.tree.count)
        sources = Array(repeating: Self.none, count: new.tree.count)
        isGone = Array(repeating: true, count: old.tree.count)
        // The nodes at the same paths.
        var peers = sources
        new.tree.forEachPair(with: old.tree) { peers[$1] = UInt32($0) }
        for index in peers.indices where peers[index] != Self.none && isSame(Int(peers[index]), index) {
            (kinds[index], sources[index]) = (.kept, peers[index])
            isGone[Int(peers[index])] = false
        }
        findContent(peers)
    }

    func origin(_ index: Int) -> Origin {
        let source = Int(sources[index])
        return switch kinds[index] {
        case .made: .made(like: nil)
        case .like: .made(like: source)
        case .kept: .kept(source)
        case .moved: .moved(source)
        }
    }

    func isKept(_ index: Int) -> Bool { kinds[index] == .kept }

    /// Whether a node can stay: its type can't be changed, nor can which names its file has.
    private func isSame(_ before: Int, _ after: Int) -> Bool {
        let (nodes, others) = (old.tree.nodes, new.tree.nodes)
        let type = nodes.type(before)
        guard type == others.type(after) else { return false }
        if type != UInt8(ascii: "f"), type != UInt8(ascii: "d"), nodes[before].kind != others[after].kind { return false }
        // Their own names are the same.
        if old.isAlone(before), new.isAlone(after) { return true }
        let (names, otherNames) = (old.names(of: before), new.names(of: after))
        return names.count == otherNames.count && zip(names, otherNames).allSatisfy { old.path($0) == new.path($1) }
    }

    /// Finds for the files that must be made where their content is.
    private mutating func findContent(_ peers: [UInt32]) {
        // A new tree has nothing to find.
        if old.tree.count == 1 { return }
        let nodes = new.tree.nodes
        let made = (0..<UInt32(nodes.count)).filter { kinds[Int($0)] == .made && (nodes.content(Int($0))?.size ?? 0) > 0 }
        if made.isEmpty { return }
        let content = OldContent(of: old, wanted: made, in: nodes)
        // By the first place of equal content, the first that may still be moved.
        var next: [Int: Int] = [:]
        var hasMoved: [Int] = []
        for index in made.lazy.map(Int.init) {
            guard let wanted = new.tree.nodes.content(index) else { continue }
            let equal = content.range(wanted)
            if new.isAlone(index) {
                var place = next[equal.lowerBound] ?? equal.lowerBound
                while place < equal.upperBound, !isGone[content[place]] || !old.isAlone(content[place]) { place += 1 }
                if !equal.isEmpty { next[equal.lowerBound] = place + 1 }
                if place < equal.upperBound {
                    (kinds[index], sources[index]) = (.moved, UInt32(content[place]))
                    hasMoved.append(content[place])
                    continue
                }
            }
            if let first = equal.first {
                (kinds[index], sources[index]) = (.like, UInt32(content[first]))
            } else if peers[index] != Self.none, (old.tree.nodes.content(Int(peers[index]))?.size ?? 0) > 0 {
                (kinds[index], sources[index]) = (.like, peers[index])
            }
        }
        for index in hasMoved { isGone[index] = false }
    }
}

/// The old files with some content that is wanted, sorted by that, and those of equal content in the order of their tree.
private struct OldContent {
    private let nodes: TreeNodes
    private let found: [UInt32]

    typealias Content = (size: UInt64, digest: ContentDigest)

    init(of old: TreePaths, wanted files: [UInt32], in other: TreeNodes) {
        let nodes = old.tree.nodes
        self.nodes = nodes
        var found: [UInt32] = []
        func wanted(_ index: UInt32) -> Content { Self.content(of: other, index) }
        let files = files.sorted { Self.precedes(wanted($0), wanted($1)) }
        for index in nodes.indices {
            guard let content = nodes.content(index), content.size > 0 else { continue }
            let place = files.lowerBound { Self.precedes(wanted($0), content) }
            if place < files.count, !Self.precedes(content, wanted(files[place])) { found.append(UInt32(index)) }
        }
        func content(_ index: UInt32) -> Content { Self.content(of: nodes, index) }
        self.found = found.sorted { one, other in
            let (left, right) = (content(one), content(other))
            return Self.precedes(left, right) || !Self.precedes(right, left) && one < other
        }
    }

    subscript(place: Int) -> Int { Int(found[place]) }

    /// The places of those with a content.
    func range(_ wanted: Content) -> Range<Int> {
        let start = found.lowerBound { Self.precedes(content($0), wanted) }
        return start..<max(start, found.lowerBound { !Self.precedes(wanted, content($0)) })
    }

    private func content(_ index: UInt32) -> Content { Self.content(of: nodes, index) }

    private static func content(of nodes: TreeNodes, _ index: UInt32) -> Content {
        nodes.content(Int(index)) ?? (0, ContentDigest())
    }

    private static func precedes(_ one: Content, _ other: Content) -> Bool {
        one.size != other.size ? one.size < other.size : one.digest < other.digest
    }
}

extension Array {
    /// The first place from which on the elements aren't before what is looked for.
    fileprivate func lowerBound(_ isBefore: (Element) -> Bool) -> Int {
        var range = indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if isBefore(self[middle]) { range = middle + 1..<range.upperBound } else { range = range.lowerBound..<middle }
        }
        return range.lowerBound
    }
}
