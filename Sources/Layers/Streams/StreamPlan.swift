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
    /// By node of the new tree.
    private(set) var origins: [Origin]
    /// By node of the old tree: whether its name goes.
    private(set) var isGone: [Bool]

    private struct Content: Hashable {
        let size: UInt64
        let digest: ContentDigest
    }

    init(from old: TreePaths, to new: TreePaths) {
        self.old = old
        self.new = new
        origins = Array(repeating: .made(like: nil), count: new.tree.count)
        isGone = Array(repeating: true, count: old.tree.count)
        var peers = [Int?](repeating: nil, count: new.tree.count)
        Self.pair(old.tree, 0, new.tree, 0, &peers)
        for (index, peer) in peers.enumerated() {
            guard let peer, isSame(peer, index) else { continue }
            origins[index] = .kept(peer)
            isGone[peer] = false
        }
        findContent(peers)
    }

    /// Finds the nodes at the same paths.
    private static func pair(_ old: Tree, _ before: Int, _ new: Tree, _ after: Int, _ peers: inout [Int?]) {
        peers[after] = before
        guard old.nodes[before].kind == .directory, new.nodes[after].kind == .directory else { return }
        var left = Array(old.children(of: before))[...]
        for child in new.children(of: after) {
            let name = new.nodes[child].name
            while let first = left.first, old.nodes[first].name.lexicographicallyPrecedes(name) { left.removeFirst() }
            if let first = left.first, old.nodes[first].name == name { pair(old, first, new, child, &peers) }
        }
    }

    /// Whether a node can stay: its type can't be changed, nor can which names its file has.
    private func isSame(_ before: Int, _ after: Int) -> Bool {
        switch (old.tree.nodes[before].kind, new.tree.nodes[after].kind) {
        case (.file, .file), (.directory, .directory): break
        case (let kind, let other): guard kind == other else { return false }
        }
        let (names, others) = (old.names(of: before), new.names(of: after))
        return names.count == others.count
            && zip(names, others).allSatisfy { old.paths[$0] == new.paths[$1] }
    }

    /// Finds for the files that must be made where their content is.
    private mutating func findContent(_ peers: [Int?]) {
        var byContent: [Content: [Int]] = [:]
        for (index, node) in old.tree.nodes.enumerated() {
            guard case .file(let size, let digest) = node.kind, size > 0 else { continue }
            byContent[Content(size: size, digest: digest), default: []].append(index)
        }
        var hasMoved: Set<Int> = []
        for (index, node) in new.tree.nodes.enumerated() {
            guard case .made = origins[index], case .file(let size, let digest) = node.kind, size > 0 else { continue }
            let equal = byContent[Content(size: size, digest: digest)] ?? []
            let isAlone = new.names(of: index).count == 1
            if isAlone, let source = equal.first(where: { isGone[$0] && !hasMoved.contains($0) && old.names(of: $0).count == 1 }) {
                origins[index] = .moved(source)
                hasMoved.insert(source)
            } else if let source = equal.first {
                origins[index] = .made(like: source)
            } else if let peer = peers[index], case .file(let size, _) = old.tree.nodes[peer].kind, size > 0 {
                origins[index] = .made(like: peer)
            }
        }
        for index in hasMoved { isGone[index] = false }
    }
}
