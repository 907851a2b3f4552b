import Btrfs
import Glibc
import Linux

/// Mounts pools.
extension PoolRegistry {
    /// Mounts what isn't mounted.
    ///
    /// - Throws: `PoolError` `.damaged` when a device is gone and the pool isn't to be mounted without it.
    func mount(_ entry: Entry) throws {
        if try entry.backing == .directory || Self.isMounted(entry) { return }
        // Others may be about to mount it, too.
        let lock = try lock()
        if try !Self.isMounted(entry) { try mountNow(entry) }
        _ = consume lock
    }

    static func isMounted(_ entry: Entry) throws -> Bool { try Mounts.list().contains { $0.path == entry.path } }

    private func mountNow(_ entry: Entry) throws {
        switch entry.backing {
        case .directory: return
        case .file(let file):
            guard Files.exists(file) else {
                throw PoolError(
                    .notPool,
                    "the pool at '\(entry.path)' is on the file '\(file)', which doesn't exist; bring the file back, or forget the pool: dish pool destroy --yes \(entry.path)"
                )
            }
            let device = try LoopDevice(file)
            let options = (entry.settings ?? PoolSettings()).mountOptions
            try Mounts.mount(device.path, on: entry.path, type: "btrfs", flags: UInt(MS_NOATIME), data: options)
            // Mounted, it keeps itself; until here this value does.
            _ = consume device
        case .devices(let devices): try mount(entry, on: devices)
        }
    }

    private func mount(_ entry: Entry, on devices: [String]) throws {
        let (present, absent) = Self.members(of: entry, on: devices)
        guard let first = present.first else {
            throw PoolError(
                .notPool, "the pool at '\(entry.path)' is on \(devices.joined(separator: ", ")), and none of them is there")
        }
        // The kernel is told all devices, so that it needs no scan beforehand; one that isn't the pool's it wouldn't take, even degraded.
        // Read before: the first commit of the mount makes all alike.
        let found = Dictionary(
            present.compactMap { UnmountedDevice($0) }.map { ($0.superblock.device, $0) }, uniquingKeysWith: { first, _ in first }
        )
        let options = present.map { "device=\($0)" } + [(entry.settings ?? PoolSettings()).mountOptions]
        do {
            try Mounts.mount(
                first, on: entry.path, type: "btrfs", flags: UInt(MS_NOATIME),
                data: options.filter { !$0.isEmpty }.joined(separator: ","))
        } catch {
            let advice = Self.adviceToMountDegraded(entry, without: absent) ?? "see why: dmesg | grep -i btrfs"
            throw PoolError(.damaged, "mount the pool at '\(entry.path)': \(error); \(advice)")
        }
        // With a state that is full the pool is wanted all the same.
        if let filesystem = found.values.first?.superblock.filesystem {
            let superblocks = found.values.map(\.superblock).sorted { $0.device < $1.device }
            try? changeDeviceMemory(filesystem) {
                $0.noteMount(superblocks, roots: found.compactMapValues(\.root), at: Int64(time(nil))) {
                    found[$0]?.block(at: $1)
                }
            }
        }
    }

    /// What is to be done about devices that are gone; nil when none is, or the pool is to be mounted without them already.
    private static func adviceToMountDegraded(_ entry: Entry, without absent: [String]) -> String? {
        let options = entry.settings?.options ?? []
        guard !absent.isEmpty, !options.contains("degraded") else { return nil }
        let all = (options + ["degraded"]).joined(separator: ",")
        return
            "\(absent.joined(separator: ", ")) isn't there; bring it back, or, where others have its content too, go on without it: dish pool set \(entry.path) --mount-options \(all)"
    }

    /// A pool's devices that are there, and those that are not: that can't be read, or hold something else now.
    private static func members(of entry: Entry, on devices: [String]) -> (present: [String], absent: [String]) {
        let found = devices.map { ($0, Superblock(ofDevice: $0)?.filesystem) }
        guard let filesystem = entry.filesystem ?? found.lazy.compactMap({ $0.1 }).first else { return ([], devices) }
        let present = found.filter { $0.1 == filesystem }.map(\.0)
        let absent = devices.filter { !present.contains($0) }
        if absent.isEmpty { return (present, []) }
        // What disks are called may be another thing each time that the host starts.
        let names = ((try? Files.list("/sys/class/block")) ?? []).filter { name in
            (try? Files.readTextIfPresent("/sys/class/block/\(name)/size")).flatMap { $0 }?.hasPrefix("0") == false
        }
        let others = names.map { "/dev/\($0)" }.filter { path in
            !present.contains { isSame($0, path) } && Superblock(ofDevice: path)?.filesystem == filesystem
        }
        return (present + others, others.count < absent.count ? absent : [])
    }

    /// Why a pool that isn't mounted can't simply be, with what to do; nil when nothing is known against it.
    public func hindrance(toMounting path: String) throws -> String? {
        guard let entry = try entries().first(where: { $0.path == Files.resolved(path) }),
            case .devices(let devices) = entry.backing, try !Self.isMounted(entry)
        else { return nil }
        return Self.adviceToMountDegraded(entry, without: Self.members(of: entry, on: devices).absent)
    }
}
