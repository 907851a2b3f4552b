/// Which layers go so that a pool has room, and in which order: a pure function of what there is (docs/packages.md, "Collection").
public struct CollectionPlan: Sendable, Equatable {
    public struct Rules: Sendable, Equatable {
        /// Percent of the pool above which layers are collected though they might be wanted again.
        public var high = 85
        /// Percent of the pool down to which they are.
        public var low = 80
        /// Seconds without use after which one goes in any case.
        public var keep: Int64 = 14 * 86400
        /// Seconds after its last use in which one never goes.
        public var spare: Int64 = 600

        public init() {}

        /// Bytes that shall be free beyond those that are.
        public func wanted(used: UInt64, total: UInt64) -> UInt64 {
            isFull(used: used, total: total) ? used - total / 100 * UInt64(low) : 0
        }

        /// Whether it is above the higher mark.
        public func isFull(used: UInt64, total: UInt64) -> Bool { used > total / 100 * UInt64(high) }
    }

    /// A layer of the pool.
    public struct Candidate: Sendable, Equatable {
        public var id: LayerID
        /// The layers it stands on or was made from.
        public var needs: [LayerID]
        /// Seconds since 1970.
        public var lastUsed: Int64
        /// About how many bytes come back when it goes.
        public var size: UInt64
        /// Whether somebody needs it, or has given it a name.
        public var isKept: Bool

        public init(id: LayerID, needs: [LayerID], lastUsed: Int64, size: UInt64, isKept: Bool) {
            self.id = id
            self.needs = needs
            self.lastUsed = lastUsed
            self.size = size
            self.isKept = isKept
        }
    }

    /// In the order in which they can go: none is needed by one that is still there.
    public let removals: [LayerID]

    /// - Parameters:
    ///   - used: bytes of the pool.
    ///   - now: seconds since 1970.
    public init(_ candidates: [Candidate], used: UInt64, total: UInt64, _ rules: Rules, now: Int64) {
        var left = Dictionary(candidates.map { ($0.id, $0) }) { first, _ in first }
        var users: [LayerID: Int] = [:]
        for id in candidates.flatMap(\.needs) { users[id, default: 0] += 1 }
        let lastUses = Self.lastUses(left)
        let wanted = rules.wanted(used: used, total: total)
        var (removals, bytes) = ([LayerID](), UInt64(0))
        while true {
            let oldest = left.values.filter { !$0.isKept && users[$0.id, default: 0] == 0 }
                .min { (lastUses[$0.id]!, $0.id.hex) < (lastUses[$1.id]!, $1.id.hex) }
            guard let oldest, case let unused = now - lastUses[oldest.id]!, unused >= rules.spare,
                unused >= rules.keep || bytes < wanted
            else { break }
            left[oldest.id] = nil
            for id in oldest.needs { users[id, default: 0] -= 1 }
            removals.append(oldest.id)
            bytes = bytes.saturatingAdd(oldest.size)
        }
        self.removals = removals
    }

    /// Who uses a layer uses all that it stands on.
    private static func lastUses(_ layers: [LayerID: Candidate]) -> [LayerID: Int64] {
        var uses = layers.mapValues(\.lastUsed)
        for layer in layers.values {
            var (next, seen) = (layer.needs, Set<LayerID>())
            while let id = next.popLast() {
                guard let below = layers[id], seen.insert(id).inserted else { continue }
                uses[id] = max(uses[id]!, layer.lastUsed)
                next += below.needs
            }
        }
        return uses
    }
}
