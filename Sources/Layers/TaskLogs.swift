import Btrfs
import Glibc
import Linux

/// A task that was removed and whose logs are still there.
public struct RemovedTask: Sendable, Codable, Equatable {
    public let id: String
    public let name: String
    /// As it was asked for.
    public let image: String
    /// Seconds since 1970.
    public let created: Int64
    public let removed: Int64

    public init(_ task: TaskRecord, created: Int64, removed: Int64) {
        id = task.id
        name = task.name
        image = task.image
        self.created = created
        self.removed = removed
    }
}

/// Logs of tasks (docs/access.md): a subvolume each, beside the root file system, with a limit of its own.
extension Pool {
    /// The most bytes that a task's logs may take.
    static let logLimit: UInt64 = 256 << 20

    /// Where the logs of removed tasks are.
    var keptLogs: String { "\(path)/logs" }

    /// The subvolume of a task's logs.
    public func logs(ofTask id: String) -> String { "\(directory(ofTask: id))/logs" }

    /// Makes it, in a quota group of its own above it: what a task makes inside belongs to that too.
    func createLogs(of task: TaskRecord) throws {
        guard task.quotaGroup != nil else { return try Subvolume.create(logs(ofTask: task.id)) }
        let group = logQuotaGroup(ofTask: task.id)
        let filesystem = try filesystem()
        try filesystem.createQuotaGroup(group)
        try filesystem.limit(group, to: Self.logLimit)
        try Subvolume.create(logs(ofTask: task.id), in: [group])
    }

    /// Tasks' own groups, and those of staging, have smaller numbers.
    func logQuotaGroup(ofTask id: String) -> QuotaGroup {
        QuotaGroup(level: 1, number: 1 << 43 | (UInt64(id, radix: 16) ?? 0) & (1 << 40 - 1))
    }

    /// The groups of the logs of all tasks and removed tasks.
    func logQuotaGroups() throws -> [UInt64] {
        let removed = Files.isDirectory(keptLogs) ? try Files.list(keptLogs) : []
        return (try Files.list(tasks) + removed).map { logQuotaGroup(ofTask: $0).number }
    }

    /// What logs take, with what is nested in them.
    private func usage(ofLogs path: String, _ task: RemovedTask, _ filesystem: borrowing Filesystem) throws -> UInt64 {
        // Logs that an older agent made have no group above theirs.
        if let usage = try filesystem.usage(of: logQuotaGroup(ofTask: task.id)) { return usage.used }
        return try filesystem.usage(of: .subvolume(Subvolume.info(path).id))?.used ?? 0
    }

    /// That of a task that was removed.
    public func logs(ofRemoved task: RemovedTask) -> String { "\(keptLogs)/\(task.id)/logs" }

    /// Removed tasks whose logs are there, those removed last at the end.
    public func removedTasks() throws -> [RemovedTask] {
        guard Files.isDirectory(keptLogs) else { return [] }
        return try Files.list(keptLogs).compactMap { id in
            let directory = "\(keptLogs)/\(id)"
            guard Files.isDirectory("\(directory)/logs"), Files.exists("\(directory)/removed.json") else { return nil }
            return try? StateFile.read(RemovedTask.self, "\(directory)/removed.json")
        }.sorted { ($0.removed, $0.id) < ($1.removed, $1.id) }
    }

    /// - Parameter name: an id, the beginning of one (3 digits or more), or a name: then the one removed last.
    public func removedTask(_ name: String) throws -> RemovedTask? {
        let all = try removedTasks()
        return all.last { $0.id == name || $0.name == name } ?? all.last { name.utf8.count >= 3 && $0.id.hasPrefix(name) }
    }

    /// Moves a task's logs to where they stay when it is removed.
    ///
    /// - Parameter record: of the task, whose root goes first where there is no room to move anything; where there is none even then,
    ///   so do the logs.
    public func keepLogs(of task: RemovedTask, else record: TaskRecord) throws {
        do {
            return try keepLogs(of: task)
        } catch let error as SystemError where error.code == ENOSPC || error.code == EDQUOT {}
        for group in record.groups { try? filesystem().limit(group, to: nil) }
        // What can't be removed is set aside with the rest of the task.
        try? Subvolume.deleteRecursively("\(directory(ofTask: task.id))/rootfs")
        try? filesystem().commit()
        try? keepLogs(of: task)
    }

    /// Logs that are empty, or there already, stay as they are.
    private func keepLogs(of task: RemovedTask) throws {
        let (source, target) = (logs(ofTask: task.id), logs(ofRemoved: task))
        guard try Files.isDirectory(source) && !isEmpty(source) else { return }
        try Files.makeDirectories(Files.parent(of: target), mode: 0o700)
        try StateFile.write(task, "\(Files.parent(of: target))/removed.json", durable: false)
        try retryingInterrupts("keep the logs of task", task.name) { rename(source, target) }
    }

    /// Removes the logs of a task that was removed. Those that are gone are no error.
    public func removeLogs(ofRemoved id: String) throws {
        let directory = "\(keptLogs)/\(id)"
        guard Files.exists(directory) else { return }
        try? filesystem().limit(logQuotaGroup(ofTask: id), to: nil)
        try freeing {
            try Subvolume.deleteRecursively("\(directory)/logs")
            try Files.removeTree(directory)
        }
    }

    /// Removes what is kept no longer, and what a killed removal left.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - report: called with what couldn't be removed, and is out of the way.
    /// - Returns: whose logs are gone.
    public func expireLogs(
        _ retention: LogRetention, now: Int64, report: (StuckEntry) -> Void = { _ in }
    ) throws -> [RemovedTask] {
        guard Files.isDirectory(keptLogs) else { return [] }
        let filesystem = try filesystem()
        let all = try removedTasks()
        let kept = all.map { task in
            // What isn't counted goes by its age.
            let bytes = try? usage(ofLogs: logs(ofRemoved: task), task, filesystem)
            return LogRetention.Entry(task: task, bytes: bytes ?? 0)
        }
        let expired = retention.expired(kept, now: now)
        func remove(_ id: String) {
            removeOrReport("\(keptLogs)/\(id)", report) { try removeLogs(ofRemoved: id) }
        }
        for task in expired { remove(task.id) }
        for id in try Files.list(keptLogs) where !all.contains(where: { $0.id == id }) {
            // One that is just being moved has its task's directory still.
            if !Files.exists(directory(ofTask: id)) { remove(id) }
        }
        return expired
    }

    private func isEmpty(_ logs: String) throws -> Bool {
        var status = stat()
        let hasConsole = stat("\(logs)/console.log", &status) == 0 && status.st_size > 0
        return !hasConsole && !Files.exists("\(logs)/journal")
    }
}

/// How long logs of removed tasks are kept.
public struct LogRetention: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public let task: RemovedTask
        public let bytes: UInt64

        public init(task: RemovedTask, bytes: UInt64) {
            self.task = task
            self.bytes = bytes
        }
    }

    /// How many tasks at most.
    public var count = 200
    public var seconds: Int64 = 7 * 86400
    /// Of all of them.
    public var bytes: UInt64 = 2 << 30

    public init() {}

    /// What is kept no longer, of entries of which those removed last are at the end.
    public func expired(_ entries: [Entry], now: Int64) -> [RemovedTask] {
        var total: UInt64 = 0
        return entries.reversed().enumerated().compactMap { index, entry in
            total += entry.bytes
            let isOld = entry.task.removed < now - seconds
            return isOld || index >= count || total > bytes ? entry.task : nil
        }
    }
}
