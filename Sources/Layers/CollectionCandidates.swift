import Btrfs
import Linux

extension Pool {
    /// The layers as a plan of what is to be collected needs them.
    ///
    /// - Parameters:
    ///   - uses: when each was used last, in seconds since 1970, where that is known to be later than it was made.
    ///   - names: those whose layers needn't stay for their sake.
    public func collectionCandidates(
        uses: [LayerID: Int64], names free: [String: LayerID]
    ) throws -> [CollectionPlan.Candidate] {
        // Held before read: what a command finds from here on, it holds.
        let layers = try allLayers()
        let named = Set(try allNames().filter { free[$0.key] != $0.value }.values)
        let kept = named.union(try allTasks().map(\.layer)).union(try heldLayers()).union(try keptLayers().keys)
        let sizes = Dictionary(layers.map { ($0.id, $0.size) }) { first, _ in first }
        let filesystem = try filesystem()
        let quotas = try hasQuotas()
        return try layers.map { layer in
            // Without quotas, what it has more than the one below is the best guess.
            var size = UInt64(max(0, layer.size - (layer.parent.flatMap { sizes[$0] } ?? 0)))
            if quotas, let group = try? QuotaGroup.subvolume(Subvolume.info(root(of: layer.id)).id) {
                size = try filesystem.usage(of: group)?.used ?? size
            }
            return CollectionPlan.Candidate(
                id: layer.id, needs: [layer.parent, layer.packages].compactMap { $0 },
                lastUsed: max(layer.created, uses[layer.id] ?? 0), size: size, isKept: kept.contains(layer.id))
        }
    }

    /// Removes layers in the order of a plan. One that somebody came to need meanwhile stays.
    ///
    /// - Returns: those that went.
    public func collect(_ layers: [LayerID], blobsBefore latest: Int64) throws -> [Layer] {
        var removed: [Layer] = []
        let all = Dictionary(try allLayers().map { ($0.id, $0) }) { first, _ in first }
        for id in layers {
            guard let layer = all[id] else { continue }
            do {
                try remove(id)
                removed.append(layer)
            } catch let error as PoolError where error.code == .inUse {
                continue
            }
        }
        if try !hasHolders() { try forgetBlobs(before: latest) }
        return removed
    }
}
