import Linux
public import Spec

/// Who has a volume: a task has its volumes as long as its record is in the pool.
extension Pool {
    /// The tasks that have a volume.
    public func tasks(using volume: String) throws -> [TaskRecord] {
        try allTasks().filter { $0.volumes?.contains { $0.volume == volume } == true }
    }

    /// The tasks that have volumes, by the volume.
    public func tasksByVolume() throws -> [String: [TaskRecord]] {
        var users: [String: [TaskRecord]] = [:]
        for task in try allTasks() {
            for name in Set((task.volumes ?? []).map(\.volume)) { users[name, default: []].append(task) }
        }
        return users
    }

    /// Checks that a task may have volumes: one writes, or all only read, or the volume is shared.
    ///
    /// - Throws: `PoolError` `.unknownVolume`, `.inUse` naming the task in the way, `.invalid`.
    public func checkUse(of mounts: [VolumeMount], by task: String?) throws {
        for (index, mount) in mounts.enumerated() {
            let isForAll = try volume(mount.volume).shared == true
            if mounts[..<index].contains(where: { $0.path == mount.path }) {
                throw PoolError(.invalid, "two volumes at '\(mount.path)' in one task")
            }
            if isForAll { continue }
            for other in try tasks(using: mount.volume) where other.id != task {
                let isShared = other.volumes?.contains { $0.volume == mount.volume && !$0.readOnly } == false && mount.readOnly
                guard isShared else {
                    throw PoolError(
                        .inUse,
                        "the volume '\(mount.volume)' is in use by the task '\(other.name)'; remove that first (dish rm \(other.name)), let all only read it (\(mount.volume):\(mount.path):ro), or let several write to it: dish volume set \(mount.volume) --shared"
                    )
                }
            }
        }
    }

    /// Writes a task's record once its volumes are known to be there and free.
    func claimVolumes(of task: TaskRecord, _ write: () throws -> Void) throws {
        let mounts = task.volumes ?? []
        guard !mounts.isEmpty else { return try write() }
        let lock = try lockVolumeUse()
        try checkUse(of: mounts, by: task.id)
        try write()
        _ = consume lock
    }

    /// Does something to a volume that no task may notice. It takes a moment: tasks that start wait for it.
    func whileUnused(_ name: String, _ what: String, _ body: () throws -> Void) throws {
        // Where there is no file to lock, and no room for one, no task has ever had a volume, and none can get one.
        let hasLock = Files.exists(useLock)
        var lock: FileLock?
        do { lock = try lockVolumeUse() } catch let error as SystemError where !hasLock && Self.isOutOfRoom(error) {}
        let users = try tasks(using: name).map(\.name)
        guard users.isEmpty else {
            throw PoolError(
                .inUse,
                "the volume '\(name)' can't be \(what): it is in use by \(users.joined(separator: ", ")); remove that first: dish rm \(users[0])"
            )
        }
        try body()
        _ = consume lock
    }

    private var useLock: String { "\(volumes)/.use.lock" }

    func lockVolumeUse() throws -> FileLock {
        try Files.makeDirectories(volumes, mode: 0o700)
        return try FileLock(waitingFor: useLock)
    }
}
