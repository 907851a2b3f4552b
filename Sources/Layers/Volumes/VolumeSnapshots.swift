import Btrfs
import FoundationEssentials
import Glibc
import Linux

extension Pool {
    func directory(ofSnapshot snapshot: String, of volume: String) -> String {
        "\(directory(ofVolume: volume))/snapshots/\(snapshot)"
    }

    /// The subvolume with what a snapshot has.
    public func data(ofSnapshot snapshot: String, of volume: String) -> String {
        "\(directory(ofSnapshot: snapshot, of: volume))/data"
    }

    /// A volume's snapshots, oldest first.
    public func snapshots(of volume: String) throws -> [VolumeSnapshot] {
        try snapshots(of: self.volume(volume))
    }

    /// Those of a volume whose record is known.
    public func snapshots(of volume: Volume) throws -> [VolumeSnapshot] {
        let found = try Files.list("\(directory(ofVolume: volume.name))/snapshots").filter { Volume.isName($0) }
            .compactMap { try snapshotIfPresent($0, of: volume.name) }
            .sorted { $0.created < $1.created }
        // A second has room for several.
        guard zip(found, found.dropFirst()).contains(where: { $0.created == $1.created }) else { return found }
        return
            found.map { ($0, written: Files.modified("\(directory(ofSnapshot: $0.name, of: volume.name))/snapshot.json")) }
            .sorted { ($0.0.created, $0.written) < ($1.0.created, $1.written) }.map(\.0)
    }

    /// - Parameter name: a name, or an id or the beginning of one (6 digits or more).
    /// - Throws: `PoolError` `.unknownVolume`.
    public func snapshot(_ name: String, of volume: String) throws -> VolumeSnapshot {
        let all = try snapshots(of: volume)
        if let snapshot = all.first(where: { $0.name == name }) { return snapshot }
        if name.utf8.count >= 6, let snapshot = all.last(where: { $0.id.hex.hasPrefix(name) }) { return snapshot }
        let names = all.isEmpty ? "it has none" : "it has \(all.map(\.name).joined(separator: ", "))"
        throw PoolError(.unknownVolume, "there is no snapshot '\(name)' of the volume '\(volume)'; \(names)")
    }

    func snapshotIfPresent(_ name: String, of volume: String) throws -> VolumeSnapshot? {
        try Volume.requireName(name, "snapshot")
        let path = "\(directory(ofSnapshot: name, of: volume))/snapshot.json"
        return Files.exists(path) ? try StateFile.read(VolumeSnapshot.self, path) : nil
    }

    /// Keeps what is in a volume now. A task that writes to it goes on; what it is writing at that moment is as after a power cut.
    ///
    /// - Parameters:
    ///   - name: nil for the time, as in `20260131T235959Z`.
    ///   - scheduled: whether the volume's schedule takes it away again.
    /// - Returns: the snapshot, and subvolumes inside the volume, whose content isn't in it.
    public func snapshotVolume(
        _ volume: String, as name: String? = nil, scheduled: Bool = false
    ) throws -> (snapshot: VolumeSnapshot, missing: [String]) {
        let record = try self.volume(volume)
        let created = Int64(time(nil))
        let name = try name ?? freeName(created, volume)
        if try snapshotIfPresent(name, of: volume) != nil { throw exists(name, volume) }
        let staged = try StagingDirectory(in: self)
        try Files.makeDirectories(staged.snapshot, mode: 0o700)
        // What was written must be in the file system's trees before the snapshot.
        try filesystem().sync()
        let root = "\(staged.snapshot)/data"
        do {
            try snapshotWithPlaces(of: data(ofVolume: volume), to: root, in: record.groups)
        } catch let error as SystemError where error.code == EDQUOT {
            throw PoolError(
                .invalid,
                "the volume '\(volume)' has reached its size, so there is no room for a snapshot; remove files, or snapshots: dish volume rm \(volume)@SNAPSHOT"
            )
        }
        try filesystem().sync()
        let missing = try filesystem().subvolumes(below: Subvolume.info(data(ofVolume: volume)).id).map(\.path)
        let tree = try tree(ofSnapshot: root, of: volume)
        let snapshot = try publishSnapshot(tree, as: name, created: created, of: volume, in: staged, scheduled: scheduled)
        return (snapshot, missing)
    }

    /// Removes a snapshot. One that is gone is no error.
    public func removeSnapshot(_ name: String, of volume: String) throws {
        guard try snapshotIfPresent(name, of: volume) != nil else { return }
        guard try !isInUse(name, of: volume) else {
            throw PoolError(
                .inUse, "the snapshot '\(name)' of the volume '\(volume)' is being sent; try again when that has ended")
        }
        let groups = try volumeIfPresent(volume)?.groups ?? []
        try takeAway(
            directory(ofSnapshot: name, of: volume), record: "snapshot.json", "snapshot '\(name)'", groups: groups
        ) { $0.snapshot }
        try filesystem().startCommit()
    }

    /// A snapshot's tree, as it was stored or read again.
    func tree(of snapshot: VolumeSnapshot, of volume: String) throws -> Tree {
        let directory = directory(ofSnapshot: snapshot.name, of: volume)
        let uuid = try Subvolume.info("\(directory)/data").uuid
        if let tree = try storedTree(in: directory, subvolume: uuid) { return tree }
        guard let tree = try Tree(of: "\(directory)/data").identified(as: snapshot.id, root: "\(directory)/data") else {
            throw PoolError(
                .damaged,
                "the snapshot '\(snapshot.name)' of the volume '\(volume)' isn't what its id says; remove it: dish volume rm \(volume)@\(snapshot.name)"
            )
        }
        try storeTree(tree, subvolume: uuid, in: directory, groups: self.volume(volume).groups)
        return tree
    }

    /// Gives a snapshot in staging, whose subvolume is read-only, its record; it has no name yet.
    ///
    /// - Parameters:
    ///   - id: its id where that may be one of an earlier version of the format; nil for the tree's.
    ///   - digest: of the tree where it is known.
    func describeSnapshot(
        _ tree: Tree, as name: String, created: Int64, in staged: StagingDirectory, scheduled: Bool = false,
        id: LayerID? = nil, subvolume: KernelSubvolume? = nil, digest: TreeDigest? = nil, groups: [QuotaGroup]
    ) throws -> VolumeSnapshot {
        let digest = digest ?? TreeDigest(tree)
        var snapshot = VolumeSnapshot(
            name: name, id: id ?? digest.id, created: created, entries: digest.entries, size: digest.size)
        if scheduled { snapshot.scheduled = true }
        snapshot.subvolume = subvolume
        try StateFile.writeWithCopy(snapshot, "\(staged.snapshot)/snapshot.json", durable: false)
        let uuid = try Subvolume.info("\(staged.snapshot)/data").uuid
        try storeTree(tree, subvolume: uuid, in: staged.snapshot, groups: groups, durable: false)
        return snapshot
    }

    func publishSnapshot(
        _ tree: Tree, as name: String, created: Int64, of volume: String, in staged: StagingDirectory, scheduled: Bool = false,
        id: LayerID? = nil, subvolume: KernelSubvolume? = nil, digest: TreeDigest? = nil
    ) throws -> VolumeSnapshot {
        let snapshot = try describeSnapshot(
            tree, as: name, created: created, in: staged, scheduled: scheduled, id: id, subvolume: subvolume, digest: digest,
            groups: self.volume(volume).groups)
        try filesystem().sync()
        let target = directory(ofSnapshot: name, of: volume)
        guard rename(staged.snapshot, target) == 0 else {
            let code = errno
            if code == EEXIST || code == ENOTEMPTY { throw exists(name, volume) }
            throw SystemError("publish snapshot", target, code: code)
        }
        try Files.syncDirectory(Files.parent(of: target))
        return snapshot
    }

    private func exists(_ name: String, _ volume: String) -> PoolError {
        PoolError(
            .inUse,
            "there is a snapshot '\(name)' of the volume '\(volume)' already; choose another name, or remove it: dish volume rm \(volume)@\(name)"
        )
    }

    func freeName(_ created: Int64, _ volume: String, prefix: String = "") throws -> String {
        var (seconds, fields) = (time_t(created), tm())
        gmtime_r(&seconds, &fields)
        func digits(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(fields.tm_year + 1900)\(digits(fields.tm_mon + 1))\(digits(fields.tm_mday))"
        let base = "\(prefix)\(date)T\(digits(fields.tm_hour))\(digits(fields.tm_min))\(digits(fields.tm_sec))Z"
        var (name, number) = (base, 2)
        while try snapshotIfPresent(name, of: volume) != nil {
            name = "\(base)-\(number)"
            number += 1
        }
        return name
    }

    /// The tree of a snapshot of a volume's data. Of what an earlier snapshot has, only what changed since is read.
    func tree(ofSnapshot root: String, of volume: String) throws -> Tree {
        let data = try Subvolume.info(data(ofVolume: volume))
        var best: (snapshot: VolumeSnapshot, generation: UInt64)?
        for snapshot in try snapshots(of: volume) {
            let info = try Subvolume.info(self.data(ofSnapshot: snapshot.name, of: volume))
            // Made from the data, or the data from it: both have the same files under the same inode numbers.
            let generation = info.parentUUID == data.uuid ? info.creation : data.parentUUID == info.uuid ? data.creation : nil
            if let generation, generation > best?.generation ?? 0 { best = (snapshot, generation) }
        }
        guard let best else { return try Tree(of: root) }
        let source = try self.tree(of: best.snapshot, of: volume)
        return try Tree(of: root, changedFrom: source, after: best.generation)
    }
}

extension Tree {
    /// Reads of a tree only what changed after a transaction in which it was as another tree is, with the same inode numbers.
    ///
    /// The kernel must have written the changes to its trees: sync the file system first.
    init(of root: String, changedFrom source: Tree, after generation: UInt64) throws {
        let changed = try Self.changedInodes(in: root, after: generation)
        let baseline = TreeBaseline(TreeIndex(source), changed: changed, latestTime: nil)
        self = try TreeReader.read(root, baseline: baseline)
    }
}
