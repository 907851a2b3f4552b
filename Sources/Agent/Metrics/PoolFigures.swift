import Btrfs
import Glibc
import Layers
import Linux

/// What metrics tell of the pool. All of it is read from ioctls, sysfs and small files: no tree is walked.
struct PoolFigures: Sendable {
    struct VolumeUse: Sendable {
        var name: String
        /// Bytes; nil on pools without quotas.
        var used: UInt64?
        var size: UInt64?
    }

    var path: String
    var space: Space
    var hasQuotas: Bool
    var isReadOnly: Bool
    var health: PoolHealth
    var layers: Int
    var damagedLayers: Int
    /// Bytes that layers are billed for; nil on pools without quotas.
    var layerBytes: UInt64?
    var volumes: [VolumeUse]

    /// Blocks for some milliseconds.
    static func read(_ pool: Pool, in registry: PoolRegistry) throws -> PoolFigures {
        let filesystem = try pool.filesystem()
        let layers = try pool.allLayers()
        let hasQuotas = try filesystem.quotaMode() == .simple
        var layerBytes: UInt64?
        if hasQuotas {
            layerBytes = try layers.reduce(0) { sum, layer in
                // One that is being removed counts no more.
                guard let info = try? Subvolume.info(pool.root(of: layer.id)) else { return sum }
                return sum + (try filesystem.usage(of: .subvolume(info.id))?.used ?? 0)
            }
        }
        return PoolFigures(
            path: pool.path, space: try filesystem.space(), hasQuotas: hasQuotas, isReadOnly: !pool.isWritable,
            health: try pool.health(in: registry),
            layers: layers.count, damagedLayers: try pool.damagedLayers().count, layerBytes: layerBytes,
            volumes: try pool.allVolumes().map { VolumeUse(name: $0.name, used: try? pool.usage(of: $0), size: $0.size) })
    }
}
