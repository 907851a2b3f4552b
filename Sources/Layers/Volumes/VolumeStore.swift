public import Btrfs
import CLinux
import Glibc
import Linux

extension Pool {
    var volumes: String { "\(path)/volumes" }

    /// The directory of a volume.
    func directory(ofVolume name: String) -> String { "\(volumes)/\(name)" }

    /// The subvolume with a volume's data.
    public func data(ofVolume name: String) -> String { "\(directory(ofVolume: name))/data" }

    /// All volumes, by name.
    public func allVolumes() throws -> [Volume] {
        guard Files.isDirectory(volumes) else { return [] }
        return try Files.list(volumes).filter { Volume.isName($0) }.compactMap { try volumeIfPresent($0) }
    }

    /// - Throws: `PoolError` `.unknownVolume`.
    public func volume(_ name: String) throws -> Volume {
        guard let volume = try volumeIfPresent(name) else {
            throw PoolError(
                .unknownVolume, "there is no volume '\(name)' in the pool at '\(path)'; see what there is: dish volume ls")
        }
        return volume
    }

    public func volumeIfPresent(_ name: String) throws -> Volume? {
        try Volume.requireName(name, "volume")
        let path = "\(directory(ofVolume: name))/volume.json"
        return Files.exists(path) ? try StateFile.read(Volume.self, path) : nil
    }

    /// Bytes that a volume and its snapshots take; nil on pools without quotas.
    public func usage(of volume: Volume) throws -> UInt64? {
        try volume.quotaGroup == nil ? nil : usage(of: volume, on: filesystem())
    }

    /// The same, of many volumes.
    public func usage(of volume: Volume, on filesystem: borrowing Filesystem) throws -> UInt64? {
        guard let number = volume.quotaGroup else { return nil }
        return try filesystem.used(by: QuotaGroup(level: 1, number: number))
    }

    /// Makes an empty volume, which the first task that has it fills (`fillVolume`); one of this name and size is left as it is.
    ///
    /// - Parameter size: bytes; nil for no limit.
    public func createVolume(_ name: String, size: UInt64?) throws -> Volume {
        if let there = try volumeIfPresent(name) {
            guard there.size == size else {
                throw PoolError(
                    .inUse,
                    "there is a volume '\(name)' already, of another size; choose another name, or remove it: dish volume rm \(name)"
                )
            }
            return there
        }
        let staged = try StagingDirectory(in: self)
        let volume = try stageVolume(name, size: size, awaitsContent: true, in: staged)
        try Subvolume.create("\(staged.volume)/data", in: volume.groups)
        return try publishVolume(volume, in: staged)
    }

    /// Begins a volume in staging: its record and its quota group.
    func stageVolume(
        _ name: String, size: UInt64?, awaitsContent: Bool = false, in staged: StagingDirectory
    ) throws -> Volume {
        try Volume.requireName(name, "volume")
        var number: UInt64?
        if try hasQuotas() {
            let group = staged.volumeQuotaGroup
            let filesystem = try filesystem()
            try filesystem.createQuotaGroup(group)
            if let size { try filesystem.limit(group, to: size) }
            number = group.number
        } else if size != nil {
            throw PoolError(
                .invalid,
                "a volume's size needs simple quotas (Linux 6.7 or later), and the pool at '\(path)' has none; leave the size out",
                settings: ["size"])
        }
        var volume = Volume(name: name, created: Int64(time(nil)), size: size, quotaGroup: number)
        if awaitsContent { volume.awaitsContent = true }
        try Files.makeDirectories("\(staged.volume)/snapshots", mode: 0o700)
        try StateFile.writeWithCopy(volume, "\(staged.volume)/volume.json", durable: false)
        return volume
    }

    /// Gives a volume in staging its place.
    func publishVolume(_ volume: Volume, in staged: StagingDirectory) throws -> Volume {
        try filesystem().sync()
        try Files.makeDirectories(volumes, mode: 0o700)
        let target = directory(ofVolume: volume.name)
        guard rename(staged.volume, target) == 0 else {
            let code = errno
            if code == EEXIST || code == ENOTEMPTY {
                throw PoolError(.inUse, "a volume '\(volume.name)' was made meanwhile; nothing was changed")
            }
            throw SystemError("publish volume", target, code: code)
        }
        try Files.syncDirectory(volumes)
        return volume
    }

    /// Whether there is something that is a volume, or was one: its record may be missing or damaged.
    public func hasVolume(_ name: String) throws -> Bool {
        try Volume.requireName(name, "volume")
        return Files.isDirectory(directory(ofVolume: name), followsLink: false)
    }

    /// Removes a volume with its snapshots, also one whose record is missing or damaged. One that is gone is no error.
    ///
    /// - Throws: `PoolError` `.inUse` naming the tasks that have it.
    public func removeVolume(_ name: String) throws {
        guard try hasVolume(name) else { return }
        let groups = (try? volumeIfPresent(name))?.groups ?? []
        try whileUnused(name, "removed") {
            try takeAway(
                directory(ofVolume: name), record: "volume.json", "volume '\(name)'", groups: groups
            ) { $0.volume }
        }
        try filesystem().startCommit()
    }
}

extension Volume {
    var groups: [QuotaGroup] { quotaGroup.map { [QuotaGroup(level: 1, number: $0)] } ?? [] }
}

extension StagingDirectory {
    /// Where a volume is being made.
    var volume: String { "\(path)/volume" }

    /// Where a snapshot of one is being made.
    var snapshot: String { "\(path)/snapshot" }

    /// The group of the volume that begins here, which stays its own.
    var volumeQuotaGroup: QuotaGroup { Self.volumeQuotaGroup(ofName: Files.name(of: path)) }

    /// Beyond those of tasks and of staging.
    static func volumeQuotaGroup(ofName name: String) -> QuotaGroup {
        QuotaGroup(level: 1, number: quotaGroup(ofName: name).number + 1 << 40)
    }
}
