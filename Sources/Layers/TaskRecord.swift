import Btrfs
import Linux
public import Spec

/// What a task's directory in the pool says of it, in `task.json`.
public struct TaskRecord: Sendable, Codable, Equatable {
    public let id: String
    /// What people call it; no two tasks of a host have the same.
    public let name: String
    /// What it was started from, as it was asked for.
    public let image: String
    public let layer: LayerID
    /// The number of its level-1 quota group; nil on pools without quotas.
    public let quotaGroup: UInt64?
    /// The volumes it sees; nil for none.
    public let volumes: [VolumeMount]?

    public init(
        id: String, name: String, image: String, layer: LayerID, quotaGroup: UInt64?, volumes: [VolumeMount]? = nil
    ) {
        self.id = id
        self.name = name
        self.image = image
        self.layer = layer
        self.quotaGroup = quotaGroup
        self.volumes = volumes
    }

    var groups: [QuotaGroup] { quotaGroup.map { [QuotaGroup(level: 1, number: $0)] } ?? [] }
}

extension Pool {
    /// The directory of a task.
    public func directory(ofTask id: String) -> String { "\(tasks)/\(id)" }

    /// All tasks that have a directory in the pool.
    public func allTasks() throws -> [TaskRecord] {
        try Files.list(tasks).compactMap { id in
            let path = "\(tasks)/\(id)/task.json"
            return Files.exists(path) ? try StateFile.read(TaskRecord.self, path) : nil
        }
    }

    /// What a task has written and somebody still holds, in bytes; nil when there is no such task, or where quotas are off.
    public func bill(ofTask id: String) throws -> UInt64? {
        let path = "\(directory(ofTask: id))/task.json"
        guard Files.exists(path), let number = try StateFile.read(TaskRecord.self, path).quotaGroup else { return nil }
        return try filesystem().usage(of: QuotaGroup(level: 1, number: number))?.used
    }

    /// Makes a task's directory: a read-write snapshot of its layer in the task's quota group, and a subvolume for its logs
    /// with a limit of its own.
    ///
    /// - Parameter limit: the most bytes the task may write; nil for no limit.
    public func createTask(_ task: TaskRecord, limit: UInt64?) throws {
        let directory = directory(ofTask: task.id)
        try Files.makeDirectories(directory, mode: 0o700)
        do {
            try claimVolumes(of: task) {
                try whileLayersStay { try StateFile.write(task, "\(directory)/task.json", durable: false) }
            }
            guard try layer(task.layer) != nil else {
                throw PoolError(.unknownImage, "the image '\(task.image)' was removed meanwhile")
            }
            try requireWhole(task.layer)
            var groups: [QuotaGroup] = []
            if let number = task.quotaGroup {
                let filesystem = try filesystem()
                let group = QuotaGroup(level: 1, number: number)
                try filesystem.createQuotaGroup(group)
                if let limit { try filesystem.limit(group, to: limit) }
                groups = [group]
            }
            try createLogs(of: task)
            try Subvolume.snapshot(root(of: task.layer), to: "\(directory)/rootfs", in: groups)
        } catch {
            _ = try? removeTask(task)
            throw error
        }
    }

    /// Makes what is missing of a task's directory because whoever began to make it was killed.
    ///
    /// - Throws: `PoolError` `.damaged` when a root that was there is gone.
    public func completeTask(_ task: TaskRecord, limit: UInt64?) throws {
        let directory = directory(ofTask: task.id)
        // The root is made last.
        if Files.exists("\(directory)/rootfs") { return }
        guard !Files.exists("\(directory)/snapshots") else {
            throw PoolError(
                .damaged, "the root file system of the task '\(task.name)' is gone; it has snapshots: dish rollback \(task.name)")
        }
        try removeTask(task)
        try createTask(task, limit: limit)
    }

    /// Removes a task's directory. What is gone already is no error.
    ///
    /// - Parameter isRepeated: whether the caller tries again what fails because the host is short of something; else that is set
    ///   aside too.
    /// - Returns: what couldn't be removed, and is out of the way.
    /// - Throws: `SystemError` for what may pass, with `isRepeated`.
    @discardableResult
    public func removeTask(_ task: TaskRecord, isRepeated: Bool = true) throws -> StuckEntry? {
        let directory = directory(ofTask: task.id)
        guard Files.exists(directory) else { return nil }
        let filesystem = try filesystem()
        let stuck = try removeOrSetAside(directory, isRepeated: isRepeated) {
            // Taking names away needs room too, and a group that is full has none.
            try filesystem.withoutLimits(of: task.groups + [logQuotaGroup(ofTask: task.id)]) {
                try freeing {
                    for name in ["rollback"] + ((try? Files.list("\(directory)/snapshots")) ?? []).map({ "snapshots/\($0)" }) {
                        try Subvolume.deleteRecursively("\(directory)/\(name)/rootfs")
                    }
                    for name in ["rootfs", "logs"] { try Subvolume.deleteRecursively("\(directory)/\(name)") }
                    try Files.removeTree(directory)
                }
            }
        }
        // The kernel gives space back some time after a commit: half a minute, by itself.
        if let space = try? filesystem.space(), space.available < space.total / 10 { try? filesystem.startCommit() }
        return stuck
    }

    /// Removes quota groups of tasks, volumes and builds that are gone and no longer count anything. A deleted
    /// subvolume is counted until the kernel has cleaned it, so this is tried again later.
    public func removeUnusedQuotaGroups() throws {
        let filesystem = try filesystem()
        guard try filesystem.quotaMode() == .simple else { return }
        // Read before what they belong to, which is there before them.
        let groups = try filesystem.quotaGroups()
        let kept = Set(
            try allTasks().compactMap(\.quotaGroup) + stagingQuotaGroups() + allVolumes().compactMap(\.quotaGroup)
                + logQuotaGroups())
        var waiting = false
        for group in groups where group.level == 1 && !kept.contains(group.number) {
            do {
                try filesystem.destroyQuotaGroup(group)
            } catch {
                waiting = true
            }
        }
        if waiting { try filesystem.startCommit() }
    }
}
