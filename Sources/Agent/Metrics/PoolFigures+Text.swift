import Btrfs
import Layers

/// What is told of the pool.
extension PoolFigures {
    func write(_ text: inout MetricsText) {
        text.begin("dish_pool_size_bytes", .gauge, "Size of the pool's file system.")
        text.sample("", space.total)
        text.begin("dish_pool_available_bytes", .gauge, "What can still be written, as the kernel estimates it.")
        text.sample("", space.available)
        text.begin("dish_pool_data_used_bytes", .gauge, "Content of files.")
        text.sample("", space.dataUsed)
        text.begin("dish_pool_metadata_used_bytes", .gauge, "The file system's trees: names, attributes, checksums, small files.")
        text.sample("", space.metadataUsed)
        text.begin("dish_pool_quotas", .gauge, "1 when disk use is counted and can be limited.")
        text.sample("", hasQuotas)
        text.begin("dish_pool_read_only", .gauge, "1 when the pool is mounted read-only, as Btrfs does after an error.")
        text.sample("", isReadOnly)
        let devices = health.devices.map { ($0, MetricsText.labels(["device": $0.path, "number": "\($0.id)"])) }
        text.begin("dish_pool_device_size_bytes", .gauge, "Size of a device of the pool.")
        for (device, labels) in devices { text.sample(labels, device.size) }
        text.begin("dish_pool_device_allocated_bytes", .gauge, "What of a device belongs to block groups, full or not.")
        for (device, labels) in devices { text.sample(labels, device.allocated) }
        text.begin("dish_pool_device_missing", .gauge, "1 when a device of the pool is missing.")
        for (device, labels) in devices { text.sample(labels, device.isMissing) }
        text.begin("dish_pool_healthy", .gauge, "1 when nothing is wrong with the pool's devices and copies.")
        text.sample("", health.problems.isEmpty)
        text.begin("dish_pool_device_state", .gauge, "1 for the state that a device of the pool has, 0 for the others.")
        for (device, labels) in devices {
            let current = health.state(ofDevice: device.id)
            for state in PoolHealth.DeviceState.allCases {
                text.sample("\(labels),state=\"\(state.rawValue)\"", state == current)
            }
        }
        text.begin("dish_pool_device_errors_total", .counter, "Errors of a device that the file system has counted.")
        for (device, labels) in devices {
            let errors = device.errors
            for (kind, count) in [
                ("corruption", errors.corruptions), ("flush", errors.flushes), ("generation", errors.generations),
                ("read", errors.reads), ("write", errors.writes),
            ] { text.sample("\(labels),kind=\"\(kind)\"", count) }
        }
        text.begin("dish_layers", .gauge, "Layers in the pool.")
        text.sample("", layers)
        text.begin(
            "dish_pool_damaged_layers", .gauge, "Layers whose content isn't what their ids say, in their places or moved away.")
        text.sample("", damagedLayers)
        text.begin("dish_layers_bytes", .gauge, "What layers are billed for, all together.")
        text.sample("", layerBytes)
        text.begin("dish_volumes", .gauge, "Volumes in the pool.")
        text.sample("", volumes.count)
        let volumes = volumes.map { ($0, MetricsText.labels(["volume": $0.name])) }
        text.begin("dish_volume_used_bytes", .gauge, "What a volume and its snapshots are billed for.")
        for (volume, labels) in volumes { text.sample(labels, volume.used) }
        text.begin("dish_volume_size_bytes", .gauge, "What a volume may be billed for; none where it has no size.")
        for (volume, labels) in volumes { text.sample(labels, volume.size) }
    }
}
