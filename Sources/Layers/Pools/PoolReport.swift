public import Btrfs
import Glibc
import Linux

/// What there is to say of a pool's devices, of how content is spread over them, and of what is under way.
public struct PoolReport: Sendable, Codable, Equatable {
    public struct DeviceStatus: Sendable, Codable, Equatable {
        /// Number of the device.
        public let device: UInt64
        public let state: PoolHealth.DeviceState
        /// The last commit on it; nil where it can't be read.
        public let generation: UInt64?
    }

    public let path: String
    public let uuid: String
    /// Bytes.
    public let total: UInt64
    public let available: UInt64
    public let healthy: Bool
    /// What is wrong, each with what to do.
    public let problems: [String]
    public let devices: [Device]
    /// In the order of `devices`.
    public let states: [DeviceStatus]
    /// The last mounts without all devices, oldest first.
    public let degradedMounts: [DeviceMemory.DegradedMount]
    public let allocations: [Allocation]
    /// Nil where the pool has none, or isn't this host's.
    public let settings: PoolSettings?
    public let mountOptions: String
    /// The scrub under way.
    public let scrub: ScrubStatus?
    public let lastScrub: ScrubRecord?
    public let layerChecks: LayerChecks
    public let damagedLayers: [DamagedLayer]
    /// Who has files without checksums, those with the most first, as of when the agent last looked.
    public let unchecked: [UncheckedFiles.Holder]
    public let balance: BalanceProgress?
    /// How much of a device that is being replaced is on the new one, in thousandths.
    public let replacement: UInt64?

    /// - Parameter registry: of the host.
    public init(_ pool: Pool, in registry: PoolRegistry) throws {
        let filesystem = try pool.filesystem()
        let space = try filesystem.space()
        let health = try pool.health(in: registry)
        (path, uuid, total, available) = (pool.path, filesystem.uuid, space.total, space.available)
        damagedLayers = try pool.damagedLayers()
        problems = health.problems.map { "\($0)" } + damagedLayers.map { "\($0)" }
        (healthy, devices) = (problems.isEmpty, health.devices)
        states = health.devices.map { device in
            DeviceStatus(
                device: device.id, state: health.state(ofDevice: device.id),
                generation: device.isMissing ? nil : Superblock(ofDevice: device.path)?.last.generation)
        }
        degradedMounts = try registry.deviceMemory(pool.filesystemUUID).degradedMounts
        allocations = try filesystem.allocations()
        settings = try registry.entries().first { $0.path == pool.path }?.settings
        mountOptions = try Mounts.containing(pool.path)?.options ?? ""
        scrub = try pool.scrubStatus()
        lastScrub = try ScrubHistory(of: pool, in: registry).records().last
        let effective = settings ?? PoolSettings()
        layerChecks = try pool.layerChecks(
            rate: effective.effectiveCheckRate, every: effective.effectiveCheckEvery, now: Int64(time(nil)))
        unchecked = try pool.uncheckedFiles()
        balance = try filesystem.balanceProgress()
        replacement = try filesystem.replacementProgress()
    }
}
