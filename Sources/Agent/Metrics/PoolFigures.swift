import Btrfs
import Glibc
import Layers
import Linux

/// What metrics tell of the pool. All of it is read from ioctls, sysfs and small files: no tree is walked.
struct PoolFigures: Sendable {
    struct PoolDevice: Sendable {
        /// The file system's number for it.
        var id: UInt64
        /// Empty when it is missing.
        var path: String
        /// Bytes.
        var size: UInt64
        var allocated: UInt64
        var isMissing: Bool
        /// By kind: `corruption`, `flush`, `generation`, `read`, `write`; nil on kernels before 5.14.
        var errors: [String: UInt64]?
    }

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
    var devices: [PoolDevice]
    var layers: Int
    /// Bytes that layers are billed for; nil on pools without quotas.
    var layerBytes: UInt64?
    var volumes: [VolumeUse]

    /// Blocks for some milliseconds.
    static func read(_ pool: Pool) throws -> PoolFigures {
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
        var status = statvfs()
        let isReadOnly = statvfs(pool.path, &status) == 0 && status.f_flag & UInt(ST_RDONLY) != 0
        let sysfs = "/sys/fs/btrfs/\(pool.filesystemUUID)/devinfo"
        return PoolFigures(
            path: pool.path, space: try filesystem.space(), hasQuotas: hasQuotas, isReadOnly: isReadOnly,
            devices: try filesystem.devices().map { device in
                let missing = (try? Files.readText("\(sysfs)/\(device.id)/missing"))?.hasPrefix("1")
                return PoolDevice(
                    id: device.id, path: device.path, size: device.size, allocated: device.allocated,
                    isMissing: missing ?? device.path.isEmpty,
                    errors: (try? Files.readText("\(sysfs)/\(device.id)/error_stats")).map(errors))
            },
            layers: layers.count, layerBytes: layerBytes,
            volumes: try pool.allVolumes().map { VolumeUse(name: $0.name, used: try? pool.usage(of: $0), size: $0.size) })
    }

    /// Lines of `KIND_errs NUMBER`: fs/btrfs/sysfs.c, `btrfs_devinfo_error_stats_show`.
    static func errors(_ text: String) -> [String: UInt64] {
        var errors: [String: UInt64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, words[0].hasSuffix("_errs"), let count = UInt64(words[1]) else { continue }
            errors[String(words[0].dropLast(5))] = count
        }
        return errors
    }
}
