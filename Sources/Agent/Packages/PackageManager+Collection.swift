import AgentAPI
import Btrfs
import Glibc
import Layers
import Linux
import Logging

/// Room for images (docs/packages.md, "Collection").
extension PackageManager {
    /// Milliseconds between two looks for layers that nothing has used for long.
    private static let sweep: Int64 = 600_000

    /// Collects what is to go now, and finds out whether the pool is full nevertheless.
    func collect() async {
        if isCollecting {
            while isCollecting, !Task.isCancelled { try? await changes.wait(until: .now + .seconds(60)) }
            return
        }
        isCollecting = true
        defer {
            isCollecting = false
            changes.signal()
        }
        do {
            let before = try await space()
            let isAbove = policy.collection.isFull(used: before.used, total: before.total)
            if isAbove || lastSweep.map({ HostClock.now - $0 >= Self.sweep }) ?? true {
                let hasRemoved = try await removeUnused(before.used, before.total)
                lastSweep = HostClock.now
                if isAbove, hasRemoved {
                    let pool = configuration.pool
                    try await blocking { try pool.filesystem().waitForCleaner(seconds: 20) }
                }
            }
            let after = try await space()
            await note(isFull: policy.collection.isFull(used: after.used, total: after.total))
        } catch {
            logger.error("collect images", metadata: ["error": "\(error)"])
        }
    }

    private func space() async throws -> (used: UInt64, total: UInt64) {
        let pool = configuration.pool
        let space = try await blocking { try pool.filesystem().space() }
        return (space.total - min(space.available, space.total), space.total)
    }

    /// Returns whether anything was removed.
    private func removeUnused(_ used: UInt64, _ total: UInt64) async throws -> Bool {
        let (pool, rules, now) = (configuration.pool, policy.collection, Int64(time(nil)))
        let running = try await blocking { try pool.allTasks().map(\.layer.hex) }
        for id in running { content.uses[id] = now }
        let before = content
        let uses = before.uses
        let own = content.packages.filter { !$0.value.isForeign }.compactMapValues(\.layer)
        let (removed, left) = try await blocking {
            let known = Dictionary(uses.compactMap { use in LayerID(use.key).map { ($0, use.value) } }) { first, _ in first }
            let candidates = try pool.collectionCandidates(uses: known, names: own)
            let plan = CollectionPlan(candidates, used: used, total: total, rules, now: now)
            let removed = plan.removals.isEmpty ? [] : try pool.collect(plan.removals, blobsBefore: now - rules.spare)
            return (removed, Set(try pool.allLayers().map(\.id.hex)))
        }
        for layer in removed {
            let names = own.filter { $0.value == layer.id }.keys.sorted()
            let name = names.first ?? layer.label
            let unused = now - max(layer.created, uses[layer.id.hex] ?? 0)
            let why =
                unused >= rules.keep ? "nothing has used it for \(unused / 86400) days" : "the pool is above \(rules.high) %"
            events.record(.image, name, id: layer.id.hex, "collected", reason: why)
            logger.info("image", metadata: ["image": "\(name)", "what": "collected", "why": "\(why)"])
        }
        // What is remembered of layers that are gone, by whoever's hand, goes too.
        content.forget(allBut: left, since: before)
        await save()
        if !removed.isEmpty { changed() }
        return !removed.isEmpty
    }

    private func note(isFull now: Bool) async {
        guard now != isFull else { return }
        isFull = now
        events.record(
            .host, HostResources.name(), now ? "pool full" : "pool has room",
            reason: now ? await fullness() : "images are pulled again")
        if now { logger.error("pool full", metadata: ["pool": "\(configuration.pool.path)"]) }
        for (name, pull) in pulls where !now && pull.code == .insufficient { pulls[name]?.retryAt = 0 }
        changed()
    }

    /// Why nothing is pulled.
    func fullness() async -> String {
        let space = try? await space()
        let percent = space.map { "\(Int(Double($0.used) / Double(max(1, $0.total)) * 100)) %" } ?? "too"
        return
            "the pool '\(configuration.pool.path)' is \(percent) full, images are pulled up to \(policy.collection.high) %, and nothing is left that may be collected; remove tasks, tags (dish image rm), volumes or snapshots, or grow the pool"
    }

    func pressure() async -> PoolPressure {
        let space = try? await space()
        return PoolPressure(
            total: space?.total ?? 0, used: space?.used ?? 0, high: policy.collection.high, low: policy.collection.low,
            isFull: isFull, reason: isFull ? await fullness() : nil)
    }
}
