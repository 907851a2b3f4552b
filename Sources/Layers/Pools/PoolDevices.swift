public import Btrfs
import CLinux
import Glibc
import Linux

/// Changes what a pool is on, and how it is mounted, while it is in use.
extension PoolRegistry {
    /// Adds an empty device. One that belongs to the pool already is left as it is.
    public func addDevice(_ device: String, to path: String) throws {
        let entry = try requireDevices(path)
        let pool = try open(entry.path)
        if try pool.filesystem().devices().contains(where: { Self.isSame($0.path, device) }) { return }
        try Self.requireBlockDevice(device)
        try Self.btrfs(["device", "add", device, entry.path], "add '\(device)' to the pool at '\(entry.path)'")
        try noteDevices(of: pool, with: device)
    }

    /// Moves what is on a device to the others, and takes it away. One that isn't there is no error.
    ///
    /// - Parameters:
    ///   - device: its path, or its number: one that is missing has no path.
    ///   - onProgress: how many bytes are still on it, of how many; from another thread.
    public func removeDevice(
        _ device: String, from path: String, onProgress: @escaping @Sendable (_ left: UInt64, _ of: UInt64) -> Void
    ) throws {
        let entry = try requireDevices(path)
        let pool = try open(entry.path)
        guard let found = try find(device, in: pool) else { return }
        let ticker = Ticker {
            let left = (try? pool.filesystem().devices().first { $0.id == found.id }?.allocated) ?? 0
            onProgress(left, found.allocated)
        }
        defer { ticker.stop() }
        do {
            try pool.filesystem().removeDevice(found.id)
        } catch let error as RemovalRefused {
            throw PoolError(.invalid, "take '\(device)' out of the pool at '\(entry.path)': \(Self.reason(error.reason))")
        }
        try changeDeviceMemory(pool.filesystemUUID) { $0.forget([found.id]) }
        try noteDevices(of: pool)
    }

    /// What is being done to replace a device.
    public enum ReplacementStep: Sendable {
        /// Thousandths of what was on the old one are on the new one.
        case copying(UInt64)
        /// What was written while the old one was missing is given the copies that the rest has.
        case addingCopies(BalanceProgress)
    }

    /// Puts a new device in the place of another, healthy, failing or missing. Where that is done already, nothing changes.
    ///
    /// - Parameters:
    ///   - device: its path or number.
    ///   - onProgress: from another thread.
    public func replaceDevice(
        _ device: String, by new: String, in path: String, onProgress: @escaping @Sendable (ReplacementStep) -> Void
    ) throws {
        let entry = try requireDevices(path)
        let pool = try open(entry.path)
        let old = try find(device, in: pool)
        let ticker = Ticker {
            if let done = (try? pool.filesystem().replacementProgress()) ?? nil { return onProgress(.copying(done)) }
            if let balance = (try? pool.filesystem().balanceProgress()) ?? nil { onProgress(.addingCopies(balance)) }
        }
        defer { ticker.stop() }
        // A number is the new one's afterwards.
        let there = try pool.filesystem().devices().first { Self.isSame($0.path, new) }
        if there == nil || old != nil && old?.id != there?.id {
            guard let old else {
                throw PoolError(
                    .invalid, "the pool at '\(entry.path)' has no device '\(device)'; see: dish pool show \(entry.path)")
            }
            try Self.requireBlockDevice(new)
            // Of one that fails or lacks commits as little as possible is read.
            let isSound = try pool.health(in: self).state(ofDevice: old.id) == .ok
            try Self.btrfs(
                ["replace", "start", "-B"] + (isSound ? [] : ["-r"]) + ["\(old.id)", new, entry.path],
                "replace '\(device)' by '\(new)' in the pool at '\(entry.path)'")
            try? pool.filesystem().growToDevice(old.id)
        }
        if let old, there?.id != old.id { try changeDeviceMemory(pool.filesystemUUID) { $0.forget([old.id]) } }
        try noteDevices(of: pool, with: new)
        try addCopies(in: pool)
    }

    /// With a device missing there may be too few for the profile, and what is written then has another one.
    private func addCopies(in pool: Pool) throws {
        let thin = try pool.health(in: self).thin
        guard !thin.isEmpty else { return }
        var request = BalanceRequest()
        for part in thin {
            if part.kind == .data { request.data = part.wanted } else { request.metadata = part.wanted }
        }
        do {
            _ = try pool.filesystem().balance(request)
        } catch {
            throw PoolError(
                .damaged,
                "the device is replaced, but not all content has the copies it should have: \(error); \(thin[0].advice)")
        }
    }

    /// Makes a pool larger: the file it is in, or its parts of devices that have become larger.
    ///
    /// - Parameter size: bytes of the file; nil for what the devices have.
    public func grow(_ path: String, to size: UInt64?) throws {
        let entry = try entry(path)
        let filesystem = try open(entry.path).filesystem()
        switch (entry.backing, size) {
        case (.file(let file), let size?):
            let opened = try OwnedFD.open(file, O_RDWR)
            let number = opened.number
            var status = stat()
            try retryingInterrupts("stat", file) { fstat(number, &status) }
            guard size >= UInt64(status.st_size) else {
                throw PoolError(
                    .invalid, "the pool at '\(entry.path)' has \(UInt64(status.st_size) >> 20) MiB; a pool can't be made smaller")
            }
            try retryingInterrupts("set size of", file) { ftruncate(number, off_t(size)) }
            for device in try filesystem.devices() { try LoopDevice.takeSizeOfFile(device.path) }
        case (.file, nil):
            throw PoolError(.invalid, "the pool at '\(entry.path)' is in a file; give its new size", settings: ["size"])
        case (_, nil): break
        case (_, _?):
            throw PoolError(.invalid, "the pool at '\(entry.path)' isn't in a file; leave the size out", settings: ["size"])
        }
        for device in try filesystem.devices() where !device.isMissing { try filesystem.growToDevice(device.id) }
    }

    /// Changes a pool's settings, at once where it is mounted.
    public func set(_ path: String, _ body: (inout PoolSettings) -> Void) throws -> PoolSettings {
        let entry = try entry(path)
        var settings = entry.settings ?? PoolSettings()
        body(&settings)
        if settings.mountOptions != (entry.settings ?? PoolSettings()).mountOptions {
            guard entry.backing != .directory else {
                throw PoolError(
                    .invalid,
                    "'\(entry.path)' is a directory on a file system that somebody else mounts; give that mount the options")
            }
            if try Self.isMounted(entry) {
                // What isn't asked for any more goes back to what it is by default.
                let compress = settings.compression == nil ? ["compress=no"] : []
                let options = (compress + [settings.mountOptions]).filter { !$0.isEmpty }.joined(separator: ",")
                try Mounts.mount("none", on: entry.path, flags: UInt(MS_REMOUNT | MS_NOATIME), data: options)
            }
        }
        try change(entry.path) { $0.settings = settings == PoolSettings() ? nil : settings }
        return settings
    }

    /// Writes down what a pool is on now: the devices that it has, by the names that people gave them; and, as long as one of it is
    /// missing, those that aren't there.
    private func noteDevices(of pool: Pool, with new: String? = nil) throws {
        let devices = try pool.filesystem().devices()
        try change(pool.path) { entry in
            guard case .devices(let written) = entry.backing else { return }
            let known = written + [new].compactMap { $0 }
            let present = devices.filter { !$0.isMissing }.map { device in
                known.first { Self.isSame($0, device.path) } ?? device.path
            }
            let gone = written.filter { !present.contains($0) }
            entry.backing = .devices(present + (devices.contains(where: \.isMissing) ? gone : []))
            entry.filesystem = pool.filesystemUUID
        }
    }

    private func requireDevices(_ path: String) throws -> Entry {
        let entry = try entry(path)
        if case .file = entry.backing {
            throw PoolError(
                .invalid, "the pool at '\(entry.path)' is in a file; make that larger: dish pool grow \(entry.path) --size 40G")
        }
        return entry
    }

    private func find(_ device: String, in pool: Pool) throws -> Device? {
        try pool.filesystem().devices().first { Self.isSame($0.path, device) || "\($0.id)" == device }
    }

    /// Whether two paths are of one device.
    static func isSame(_ first: String, _ second: String) -> Bool {
        if first == second { return true }
        var (left, right) = (stat(), stat())
        return stat(first, &left) == 0 && stat(second, &right) == 0 && left.st_mode & S_IFMT == S_IFBLK
            && right.st_mode & S_IFMT == S_IFBLK && left.st_rdev == right.st_rdev
    }

    private static func btrfs(_ arguments: [String], _ operation: String) throws {
        guard let program = Executable.find("btrfs") else {
            throw PoolError(.invalid, "\(operation): btrfs is not installed; install it: apt-get install btrfs-progs")
        }
        let result = try Command(program, arguments).runBlocking()
        guard result.status.isSuccess else {
            let reason = (result.errorText.isEmpty ? result.text : result.errorText).split(separator: "\n")
            throw PoolError(.invalid, "\(operation): \(reason.joined(separator: "; "))")
        }
    }

    /// What the kernel says by a number (`enum btrfs_err_code`).
    private static func reason(_ code: CInt) -> String {
        switch code {
        case 1: "raid1 needs two devices; add one first, or convert the pool: dish pool balance --data single --metadata dup"
        case 2: "raid10 needs four devices; add one first, or convert the pool: dish pool balance"
        case 3: "raid5 needs two devices; add one first, or convert the pool: dish pool balance"
        case 4: "raid6 needs three devices; add one first, or convert the pool: dish pool balance"
        case 5: "a device that is being replaced can't be removed; wait for the end"
        case 7: "it is the last device that can be written to"
        case 8: "a balance, a replacement or another removal is under way; wait for its end"
        case 9, 10: "raid1c3 and raid1c4 need three and four devices; add one first, or convert the pool: dish pool balance"
        default: "the kernel refuses it with reason \(code)"
        }
    }
}
