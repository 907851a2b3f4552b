import Btrfs
import CLinux
import Glibc
import Linux
import Spec

extension Pool {
    /// Changes the most bytes that a volume may take.
    ///
    /// - Parameter size: nil for no limit.
    /// - Throws: `PoolError` `.invalid` when more is in it already.
    public func resizeVolume(_ name: String, to size: UInt64?) throws -> Volume {
        var volume = try volume(name)
        guard let number = volume.quotaGroup else {
            throw PoolError(
                .invalid,
                "a volume's size needs simple quotas (Linux 6.7 or later), and the pool at '\(path)' had none when '\(name)' was made"
            )
        }
        try filesystem().sync()
        if let size, let used = try usage(of: volume), used > size {
            throw PoolError(
                .invalid,
                "the volume '\(name)' and its snapshots take \(used >> 20) MiB, more than \(size >> 20) MiB; remove files or snapshots first: dish volume rm \(name)@SNAPSHOT"
            )
        }
        // The limit first: what a killed command leaves is put right by the next one.
        try filesystem().limit(QuotaGroup(level: 1, number: number), to: size)
        volume.size = size
        try write(volume)
        return volume
    }

    /// Changes how a volume may be used.
    ///
    /// - Parameters:
    ///   - shared: nil to leave it.
    ///   - schedule: nil to leave it; one that is empty for none.
    public func setVolume(_ name: String, shared: Bool?, schedule: SnapshotSchedule?) throws -> Volume {
        let lock = try lockVolumeUse()
        defer { withExtendedLifetime(lock) {} }
        var volume = try volume(name)
        if let shared {
            let writers = try tasks(using: name).filter { $0.volumes?.contains { $0.volume == name && !$0.readOnly } == true }
            guard shared || writers.count < 2 else {
                throw PoolError(
                    .inUse,
                    "\(writers.map(\.name).joined(separator: ", ")) write to the volume '\(name)'; remove all but one first: dish rm"
                )
            }
            volume.shared = shared ? true : nil
        }
        if let schedule { volume.schedule = schedule == SnapshotSchedule() ? nil : schedule }
        try write(volume)
        return volume
    }

    /// Keeps a snapshot from its volume's schedule, or leaves it to that.
    public func pinSnapshot(_ name: String, of volume: String, _ pinned: Bool) throws -> VolumeSnapshot {
        var snapshot = try snapshot(name, of: volume)
        snapshot.pinned = pinned ? true : nil
        try StateFile.writeWithCopy(snapshot, "\(directory(ofSnapshot: snapshot.name, of: volume))/snapshot.json")
        return snapshot
    }

    /// Makes a volume with what another has, or had. They share what neither has changed; the new one is billed for what is
    /// written to it.
    ///
    /// - Parameters:
    ///   - snapshot: nil for what is in it now.
    ///   - size: nil for that of the source.
    public func cloneVolume(_ source: String, at snapshot: String?, as name: String, size: UInt64?) throws -> Volume {
        let original = try volume(source)
        if try volumeIfPresent(name) != nil {
            throw PoolError(
                .inUse, "there is a volume '\(name)' already; choose another name, or remove it: dish volume rm \(name)")
        }
        let use = try snapshot.map { try SnapshotUse(self.snapshot($0, of: source).name, of: source, in: self) }
        defer { withExtendedLifetime(use) {} }
        let from =
            try snapshot.map { data(ofSnapshot: try self.snapshot($0, of: source).name, of: source) } ?? data(ofVolume: source)
        let staged = try StagingDirectory(in: self)
        let volume = try stageVolume(
            name, size: hasQuotas() ? size ?? original.size : size,
            awaitsContent: snapshot == nil && original.awaitsContent == true, in: staged)
        try filesystem().sync()
        try Subvolume.snapshot(from, to: "\(staged.volume)/data", in: volume.groups)
        return try publishVolume(volume, in: staged)
    }

    /// Makes a volume's data what a snapshot has. What was there is kept as a snapshot.
    ///
    /// - Parameters:
    ///   - keepsData: whether it is.
    ///   - isRunning: whether one of the tasks that may write to it runs.
    /// - Returns: the snapshot with what was there.
    /// - Throws: `PoolError` `.inUse` naming the task that runs.
    public func restoreVolume(
        _ name: String, to snapshot: String, keepsData: Bool = true, isRunning: (TaskRecord) -> Bool
    ) throws -> VolumeSnapshot? {
        let (record, wanted) = (try volume(name), try self.snapshot(snapshot, of: name))
        let data = data(ofVolume: name)
        func requireRest() throws {
            if let task = try tasks(using: name).first(where: isRunning) {
                throw PoolError(
                    .inUse,
                    "the volume '\(name)' can't be restored: the task '\(task.name)' runs and has it; stop it first: dish stop \(task.name)"
                )
            }
        }
        try requireRest()
        let staged = try StagingDirectory(in: self)
        let new = "\(staged.path)/data"
        try Subvolume.snapshot(self.data(ofSnapshot: wanted.name, of: name), to: new, in: record.groups)
        var kept: VolumeSnapshot?
        if keepsData {
            kept = try snapshotVolume(name, as: freeName(Int64(time(nil)), name, prefix: "before-restore-")).snapshot
        }
        try filesystem().sync()
        // Tasks that are made wait meanwhile. What a task wrote since that snapshot can't be: none ran.
        let lock = try lockVolumeUse()
        defer { withExtendedLifetime(lock) {} }
        try requireRest()
        for path in [data, new] { try removeProtection(of: path) }
        try retryingInterrupts("exchange", data) { dish_renameat2(AT_FDCWD, new, AT_FDCWD, data, DISH_RENAME_EXCHANGE) }
        try filesystem().sync()
        return kept
    }

    /// Does what a volume's schedule asks for.
    ///
    /// - Parameter now: seconds since 1970.
    /// - Returns: the names of snapshots that were made and removed.
    public func keepSchedule(of volume: Volume, now: Int64) throws -> (made: String?, removed: [String]) {
        guard let schedule = volume.schedule else { return (nil, []) }
        var made: String?
        if try schedule.plan(snapshots(of: volume.name), now: now).isDue {
            made = try snapshotVolume(volume.name, scheduled: true).snapshot.name
        }
        // After a new one there is one more.
        let expired = try schedule.plan(snapshots(of: volume.name), now: now).expired.filter { try !isInUse($0, of: volume.name) }
        for name in expired { try removeSnapshot(name, of: volume.name) }
        return (made, expired)
    }

    func write(_ volume: Volume) throws {
        try StateFile.writeWithCopy(volume, "\(directory(ofVolume: volume.name))/volume.json")
    }
}
