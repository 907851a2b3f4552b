import Btrfs
import Glibc
import Linux

/// What may be removed from a pool, and when.
public struct CollectionRules: Sendable {
    /// Seconds since it was made that spare a layer. What a running pull, import or build has stays in any case.
    public var age: Int64 = 3600
    /// Bytes that shall be free; nil to remove all that may be removed.
    public var free: UInt64?
    /// Whether images with names that no task uses may go too.
    public var includesNamed = false
    /// Names whose images stay all the same; one that ends with `*` stands for all that begin so.
    public var kept: [String] = []

    func keeps(_ name: String) -> Bool {
        kept.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : name == $0 }
    }

    public init() {}
}

extension Pool {
    /// Removes layers that no name, no task, no job, no other layer and no running command needs, oldest first.
    ///
    /// - Parameter isDry: whether it is only said what would go.
    /// - Returns: the layers that went, or would.
    public func collectGarbage(_ rules: CollectionRules, isDry: Bool) throws -> [Layer] {
        var layers = try allLayers()
        let names = try allNames()
        let named = Set(names.values)
        let used = Set(try allTasks().map(\.layer)).union(try heldLayers()).union(try keptLayers().keys)
            .union(names.filter { rules.keeps($0.key) }.values)
        let latest = Int64(time(nil)) - rules.age
        var removed: [Layer] = []
        // Each round takes those on which nothing stands any more.
        while try needsMore(rules, isDry) {
            let parents = Set(layers.compactMap(\.parent) + layers.compactMap(\.packages))
            let candidate = layers.first { layer in
                !parents.contains(layer.id) && !used.contains(layer.id) && layer.created <= latest
                    && (rules.includesNamed || !named.contains(layer.id))
            }
            guard let candidate else { break }
            layers.removeAll { $0.id == candidate.id }
            do {
                if !isDry { try remove(candidate.id) }
                removed.append(candidate)
            } catch let error as PoolError where error.code == .inUse {
                // Something that began meanwhile stands on it: it stays.
                continue
            }
        }
        if !isDry, try !hasHolders() { try forgetBlobs(before: latest) }
        return removed
    }

    private func needsMore(_ rules: CollectionRules, _ isDry: Bool) throws -> Bool {
        guard let free = rules.free else { return true }
        if !isDry { try filesystem().waitForCleaner(seconds: 20) }
        return try filesystem().space().available < free
    }

    /// Removes fetched blobs, and what is remembered of streams, from before a time, where nothing is being fetched.
    func forgetBlobs(before latest: Int64) throws {
        for directory in ["\(cache)/blobs", "\(cache)/streams"] where Files.isDirectory(directory) {
            for name in try Files.list(directory) {
                var status = stat()
                let path = "\(directory)/\(name)"
                if stat(path, &status) == 0, Int64(status.st_mtim.tv_sec) <= latest, !FileLock.isHeld("\(path).lock") {
                    unlink(path)
                }
            }
        }
    }
}
