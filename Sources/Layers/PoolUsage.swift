import Btrfs
import Linux

/// Who uses how much of a pool; all figures in bytes, from quota groups.
///
/// Simple quotas bill each extent to the subvolume that wrote it first. So `own` is what a layer or
/// task added itself, and `shared` what the layers below it hold on its behalf.
public struct PoolUsage: Sendable, Codable, Equatable {
    public struct Entry: Sendable, Codable, Equatable {
        /// A layer's label or a task's name.
        public let name: String
        public let id: String
        /// What only it is billed for; nil where quotas are off.
        public let own: UInt64?
        /// What the layers below it are billed for: an upper bound of what it shares with others,
        /// because it may have replaced some of it.
        public let shared: UInt64?
        /// The most `own` may become; nil for no limit.
        public let limit: UInt64?
    }

    public let path: String
    /// Size of all devices.
    public let total: UInt64
    public let available: UInt64
    public let dataUsed: UInt64
    public let metadataUsed: UInt64
    /// Whether disk use is counted and limited (simple quotas).
    public let quotas: Bool
    public let layers: [Entry]
    public let tasks: [Entry]
    public let volumes: [Entry]
}

extension Pool {
    public func usage() throws -> PoolUsage {
        let filesystem = try filesystem()
        let space = try filesystem.space()
        let layers = try allLayers()
        var own: [LayerID: UInt64] = [:]
        for layer in layers {
            let id = try Subvolume.info(root(of: layer.id)).id
            own[layer.id] = try filesystem.usage(of: .subvolume(id))?.used
        }
        func held(below id: LayerID?) throws -> UInt64? {
            guard let id else { return 0 }
            return try stack(id).reduce(UInt64?.some(0)) { sum, layer in
                guard let sum, let used = own[layer.id], let packages = packages(of: layer) else { return nil }
                return sum + used + packages
            }
        }
        func packages(of layer: Layer) -> UInt64? { layer.packages.map { own[$0] ?? 0 } ?? 0 }
        func shared(by layer: Layer) throws -> UInt64? {
            guard let below = try held(below: layer.parent), let packages = packages(of: layer) else { return nil }
            return below + packages
        }
        let names = try allNames()
        let quotas = try filesystem.quotaMode() == .simple
        return PoolUsage(
            path: path, total: space.total, available: space.available, dataUsed: space.dataUsed,
            metadataUsed: space.metadataUsed, quotas: quotas,
            layers: try layers.map { layer in
                let name = names.filter { $0.value == layer.id }.keys.sorted().first ?? layer.label
                return PoolUsage.Entry(
                    name: name, id: layer.id.hex, own: own[layer.id], shared: try shared(by: layer), limit: nil)
            },
            tasks: try allTasks().map { task in
                let group = task.quotaGroup.map { QuotaGroup(level: 1, number: $0) }
                let usage = try group.flatMap { try filesystem.usage(of: $0) }
                return PoolUsage.Entry(
                    name: task.name, id: task.id, own: usage?.used, shared: try held(below: task.layer),
                    limit: usage?.limit)
            },
            volumes: try allVolumes().map { volume in
                PoolUsage.Entry(
                    name: volume.name, id: volume.name, own: try self.usage(of: volume), shared: 0, limit: volume.size)
            })
    }
}
