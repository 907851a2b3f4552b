import Btrfs
import Glibc
import Linux

/// The commits of a pool's devices as this host has seen them: a device that missed some reads as healthy until a block of it is
/// read, and Btrfs itself forgets the difference with its first commit (`<state>/pools/<uuid>/devices.json`).
public struct DeviceMemory: Sendable, Codable, Equatable {
    /// A device that lacks commits which others have.
    public struct Behind: Sendable, Codable, Equatable {
        /// Number of the device.
        public let device: UInt64
        /// The last commit that it had.
        public let generation: UInt64
        /// The last commit that another had.
        public let newest: UInt64
        /// When that was seen, in seconds since 1970.
        public let since: Int64
        /// True if it also has, or may have, commits which the others lack.
        public let isWrittenAlone: Bool
    }

    /// A mount without all devices.
    public struct DegradedMount: Sendable, Codable, Equatable {
        /// Seconds since 1970.
        public let time: Int64
        /// The last commit before it.
        public let generation: UInt64
        /// Numbers of the devices that were there.
        public let present: [UInt64]
        /// Number of devices of the file system.
        public let deviceCount: UInt64
    }

    /// A commit that all devices had; 0 for unknown.
    private var whole: UInt64 = 0
    /// The last commit before the first mount without all devices since; later ones are of one side alone.
    private var parting: UInt64?
    public private(set) var behind: [Behind] = []
    /// The last twenty, oldest first.
    public private(set) var degradedMounts: [DegradedMount] = []

    public init() {}

    /// Notes devices that are about to be mounted.
    ///
    /// - Parameters:
    ///   - found: each device once.
    ///   - roots: of each device by its number; those written alone may have the same addresses and transactions.
    ///   - blockOf: reads a block of a device.
    mutating func noteMount(
        _ found: [Superblock], roots: [UInt64: UnmountedDevice.Block] = [:], at now: Int64,
        blockOf: (_ device: UInt64, _ logical: UInt64) -> UnmountedDevice.Block? = { _, _ in nil }
    ) {
        guard let newest = found.max(by: { $0.last.generation < $1.last.generation }), newest.deviceCount > 1 else { return }
        if UInt64(found.count) < newest.deviceCount {
            if parting == nil { parting = newest.last.generation }
            let mount = DegradedMount(
                time: now, generation: newest.last.generation, present: found.map(\.device).sorted(),
                deviceCount: newest.deviceCount)
            degradedMounts = degradedMounts.suffix(19) + [mount]
        }
        compare(found, with: newest, tolerance: 0, at: now) { device in
            if let own = roots[device.device], let other = roots[newest.device], device.last == newest.last {
                return own != other
            }
            guard device.last.generation < newest.last.generation, let own = roots[device.device],
                let copy = blockOf(newest.device, device.last.root), copy.generation == own.generation
            else { return nil }
            return copy != own
        }
    }

    /// Notes devices that are mounted: a commit reaches one after the other, so one commit less is no difference.
    mutating func noteUse(_ found: [Superblock], at now: Int64) {
        guard let newest = found.max(by: { $0.last.generation < $1.last.generation }), newest.deviceCount > 1 else { return }
        compare(found, with: newest, tolerance: 1, at: now) { _ in nil }
    }

    /// - Parameter differs: whether a device's root is another than the newest device has for the same commit; nil for unknown.
    private mutating func compare(
        _ found: [Superblock], with newest: Superblock, tolerance: UInt64, at now: Int64, differs: (Superblock) -> Bool?
    ) {
        let late = found.filter { device in
            newest.last.generation - device.last.generation > tolerance
                || tolerance == 0 && (device.last != newest.last || differs(device) == true)
        }
        for device in late {
            let entry = Behind(
                device: device.device, generation: device.last.generation, newest: newest.last.generation, since: now,
                isWrittenAlone: differs(device) ?? isWrittenAlone(device, newest))
            // One that falls further behind while it is in use was seen already.
            if tolerance > 0, behind.contains(where: { $0.device == entry.device }) { continue }
            behind.removeAll { $0.device == entry.device }
            behind.append(entry)
        }
        if late.isEmpty, UInt64(found.count) == newest.deviceCount {
            whole = found.map(\.last.generation).min() ?? whole
            parting = nil
        }
    }

    private func isWrittenAlone(_ device: Superblock, _ newest: Superblock) -> Bool {
        // The newest would know it.
        if newest.recent.contains(where: { $0.generation == device.last.generation && $0 != device.last }) { return true }
        if let parting { return device.last.generation > parting }
        // The end of a mount commits once or twice after the last look.
        return whole > 0 && device.last.generation > whole + 2
    }

    /// Forgets devices that were replaced or taken away.
    mutating func forget(_ devices: some Sequence<UInt64>) {
        let gone = Set(devices)
        behind.removeAll { gone.contains($0.device) }
    }

    /// Devices that still lack commits: a scrub that ended well since has given them what they lacked.
    func behind(after scrubs: [ScrubRecord]) -> [Behind] {
        behind.filter { entry in
            !scrubs.contains { $0.outcome == .finished && $0.found.uncorrectable == 0 && $0.started >= entry.since }
        }
    }
}

extension PoolRegistry {
    private func deviceFile(_ filesystem: String) -> String { "\(records(ofFilesystem: filesystem))/devices.json" }

    /// The record of a file system's devices on this host. A file that can't be read is set aside as `devices.json.damaged`.
    func deviceMemory(_ filesystem: String) throws -> DeviceMemory {
        let file = deviceFile(filesystem)
        guard Files.exists(file) else { return DeviceMemory() }
        do {
            return try StateFile.read(DeviceMemory.self, file)
        } catch let error as PoolError where error.code == .damaged {
            try retryingInterrupts("set aside", file) { rename(file, file + ".damaged") }
            return DeviceMemory()
        }
    }

    func changeDeviceMemory(_ filesystem: String, _ body: (inout DeviceMemory) -> Void) throws {
        let file = deviceFile(filesystem)
        try Files.makeDirectories(Files.parent(of: file), mode: 0o700)
        let lock = try FileLock(waitingFor: file + ".lock")
        defer { withExtendedLifetime(lock) {} }
        let old = try deviceMemory(filesystem)
        var new = old
        body(&new)
        if new != old { try StateFile.write(new, file) }
    }

    /// Compares the commits that a mounted pool's devices have, and notes the difference.
    public func noteDeviceUse(of pool: Pool, at now: Int64) throws {
        let devices = try pool.filesystem().devices()
        guard devices.count > 1 else { return }
        let found = devices.filter { !$0.isMissing }.compactMap { Superblock(ofDevice: $0.path) }
            .filter { $0.filesystem == pool.filesystemUUID }
        try changeDeviceMemory(pool.filesystemUUID) { $0.noteUse(found, at: now) }
    }
}
