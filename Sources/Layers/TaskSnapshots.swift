import Btrfs
import CLinux
import Glibc
import Linux

/// What a task's root file system was at a moment.
public struct TaskSnapshot: Sendable, Codable, Equatable {
    public let name: String
    /// Seconds since 1970.
    public let created: Int64
    /// Whether a rollback kept it; nobody asked for it by name.
    public let isAutomatic: Bool

    public init(name: String, created: Int64, isAutomatic: Bool) {
        self.name = name
        self.created = created
        self.isAutomatic = isAutomatic
    }
}

extension Pool {
    private func snapshots(ofTask id: String) -> String { "\(directory(ofTask: id))/snapshots" }

    /// The subvolume with what a snapshot has.
    public func root(ofSnapshot name: String, ofTask id: String) -> String { "\(snapshots(ofTask: id))/\(name)/rootfs" }

    /// A task's snapshots, oldest first.
    public func snapshots(of task: TaskRecord) throws -> [TaskSnapshot] {
        let directory = snapshots(ofTask: task.id)
        guard Files.exists(directory) else { return [] }
        return try Files.list(directory).map { name in
            let path = "\(directory)/\(name)/snapshot.json"
            return (snapshot: try StateFile.read(TaskSnapshot.self, path), written: Files.modified(path))
        }
        // A second has room for several.
        .sorted { ($0.snapshot.created, $0.written) < ($1.snapshot.created, $1.written) }.map(\.snapshot)
    }

    /// Keeps what is in a task's root file system now. A running task goes on; what it is writing at that moment is as after a
    /// power cut. Subvolumes that it made inside aren't in it.
    ///
    /// - Throws: `PoolError` `.inUse` when there is one of that name, or when the task has used up its disk limit.
    public func snapshot(_ task: TaskRecord, as name: String, at time: Int64) throws -> TaskSnapshot {
        try Volume.requireName(name, "snapshot")
        let target = "\(snapshots(ofTask: task.id))/\(name)"
        guard !Files.exists(target) else { throw exists(name, task) }
        let staged = try StagingDirectory(in: self)
        let made = "\(staged.path)/snapshot"
        try Files.makeDirectories(made, mode: 0o700)
        do {
            try snapshotWithPlaces(of: "\(directory(ofTask: task.id))/rootfs", to: "\(made)/rootfs", in: task.groups)
        } catch let error as SystemError where error.code == EDQUOT {
            throw PoolError(
                .inUse,
                "the task '\(task.name)' has used up its disk limit, so there is no room for a snapshot; remove files in it, or a snapshot: dish snapshot --remove \(task.name) NAME"
            )
        }
        let snapshot = TaskSnapshot(name: name, created: time, isAutomatic: false)
        try StateFile.write(snapshot, "\(made)/snapshot.json", durable: false)
        try filesystem().sync()
        try Files.makeDirectories(snapshots(ofTask: task.id), mode: 0o700)
        guard rename(made, target) == 0 else {
            let code = errno
            throw code == EEXIST || code == ENOTEMPTY ? exists(name, task) : SystemError("keep snapshot", target, code: code)
        }
        try Files.syncDirectory(Files.parent(of: target))
        return snapshot
    }

    /// The paths of the subvolumes that a task has made inside, which no snapshot of its root has.
    public func subvolumesInside(_ task: TaskRecord) throws -> [String] {
        try filesystem().subvolumes(below: Subvolume.info("\(directory(ofTask: task.id))/rootfs").id).map(\.path)
    }

    /// Removes a snapshot. One that is gone is no error.
    public func removeSnapshot(_ name: String, of task: TaskRecord) throws {
        try Volume.requireName(name, "snapshot")
        let path = "\(snapshots(ofTask: task.id))/\(name)"
        guard Files.exists(path) else { return }
        try takeAway(path, record: "snapshot.json", "snapshot '\(name)'", groups: task.groups) { $0.snapshot }
        try filesystem().startCommit()
    }

    private struct Exchange: Codable {
        /// The new root's UUID: whichever place has it tells whether the roots have changed places.
        let root: String
    }

    /// Gives a task that doesn't run another root: a writable snapshot of one of its snapshots, or of its image. The old root
    /// becomes a snapshot.
    ///
    /// Whoever is interrupted does it again with the same arguments: at every moment the task has the old root or the new one.
    ///
    /// - Parameters:
    ///   - snapshot: nil for the image.
    ///   - limit: of the task's disk use. A task that has used it up is rolled back nevertheless.
    public func rollBack(
        _ task: TaskRecord, to snapshot: String?, keptAs kept: String, at time: Int64, limit: UInt64?
    ) throws {
        let directory = directory(ofTask: task.id)
        let (root, work, target) = ("\(directory)/rootfs", "\(directory)/rollback", "\(snapshots(ofTask: task.id))/\(kept)")
        if Files.exists(target) { return }
        let source = snapshot.map { self.root(ofSnapshot: $0, ofTask: task.id) } ?? self.root(of: task.layer)
        guard Subvolume.exists(source) else {
            throw PoolError(.damaged, "there is no root file system at '\(source)'")
        }
        if let limit, let group = task.groups.first {
            try filesystem().limit(group, to: nil)
            defer { try? filesystem().limit(group, to: limit) }
            try exchange(task, source, root, work)
        } else {
            try exchange(task, source, root, work)
        }
        guard Files.exists("\(work)/rootfs") else { return try Files.removeTree(work) }
        try Subvolume.makeReadOnly("\(work)/rootfs")
        try StateFile.write(TaskSnapshot(name: kept, created: time, isAutomatic: true), "\(work)/snapshot.json", durable: false)
        try Files.makeDirectories(snapshots(ofTask: task.id), mode: 0o700)
        try retryingInterrupts("keep the old root as", target) { rename(work, target) }
        // All of it is in the file system's trees.
        try filesystem().commit()
    }

    /// Afterwards the new root is in its place, and the old one, if there was one, at work.
    private func exchange(_ task: TaskRecord, _ source: String, _ root: String, _ work: String) throws {
        let note = "\(work)/exchange.json"
        if !Files.exists(note) {
            try Subvolume.deleteRecursively("\(work)/rootfs")
            try Files.removeTree(work)
            try Files.makeDirectories(work, mode: 0o700)
            try Subvolume.snapshot(source, to: "\(work)/rootfs", in: task.groups)
            try StateFile.write(Exchange(root: try Subvolume.info("\(work)/rootfs").uuid), note)
        }
        for path in [root, "\(work)/rootfs"] where Files.exists(path) { try removeProtection(of: path) }
        let new = try StateFile.read(Exchange.self, note).root
        if !Files.exists(root) {
            try retryingInterrupts("bring back", root) { rename("\(work)/rootfs", root) }
        } else if try Subvolume.info(root).uuid != new {
            try retryingInterrupts("exchange the root", root) {
                dish_renameat2(AT_FDCWD, "\(work)/rootfs", AT_FDCWD, root, DISH_RENAME_EXCHANGE)
            }
        }
    }

    private func exists(_ name: String, _ task: TaskRecord) -> PoolError {
        PoolError(
            .inUse,
            "there is a snapshot '\(name)' of the task '\(task.name)' already; choose another name, or remove it: dish snapshot --remove \(task.name) \(name)"
        )
    }
}
