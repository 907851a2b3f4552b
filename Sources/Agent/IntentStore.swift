import AgentAPI
import Glibc
import Layers
import Linux
import Spec
import TaskHelper

/// The tasks' intents on disk: each in its state directory and, once the task has a root, a copy in the pool, which usually is
/// another file system (docs/failures.md, "A damaged file").
struct IntentStore: Sendable {
    /// What there is of a task.
    enum Found: Sendable {
        case intent(TaskIntent)
        /// The intent could not be read; its copy could. The text says what was wrong, and where that is now.
        case restored(TaskIntent, String)
        /// The same without a copy, and whether the task runs.
        case lost(String, isAtWork: Bool)
    }

    private let configuration: AgentConfiguration
    private let damaged: DamagedFiles

    init(_ configuration: AgentConfiguration) {
        self.configuration = configuration
        damaged = DamagedFiles(configuration.stateDirectory)
    }

    private func path(_ id: String) -> String { "\(configuration.state(of: id))/task.json" }

    private func spare(_ id: String) -> String { "\(configuration.pool.directory(ofTask: id))/intent.json" }

    func write(_ intent: TaskIntent) throws {
        let directory = configuration.state(of: intent.id)
        // What is gone after its end need not survive a power cut.
        let durable = !intent.request.removeWhenDone
        try Files.makeDirectories(directory, mode: 0o700)
        try StateFile.write(intent, path(intent.id), durable: durable)
        if durable { try Files.syncDirectory(Files.parent(of: directory)) }
        if Files.exists(spare(intent.id)) { writeSpare(intent) }
    }

    /// Writes the copy in the pool. A pool that can't be written to keeps the one it has.
    func writeSpare(_ intent: TaskIntent) {
        guard let bytes = try? StateFile.encode(intent) else { return }
        try? Files.replace(spare(intent.id), with: bytes, mode: 0o600, durable: false)
    }

    /// Writes the copies in the pool that couldn't be written before.
    func completeSpares(of intents: [TaskIntent]) {
        for intent in intents where !Files.exists(spare(intent.id)) { writeSpare(intent) }
    }

    /// All tasks by their ids. What can't be read is set aside; a start that was cut off before it had written anything leaves
    /// nothing.
    func all() throws -> [(id: String, found: Found)] {
        let directory = "\(configuration.stateDirectory)/tasks"
        try Files.makeDirectories(directory, mode: 0o700)
        return try Files.list(directory).compactMap { id in try read(id).map { (id, $0) } }
    }

    private func read(_ id: String) throws -> Found? {
        let directory = configuration.state(of: id)
        let reason: String
        do {
            return .intent(try StateFile.read(TaskIntent.self, path(id)))
        } catch {
            reason = "\(error)"
        }
        // Who is at work with it tells that it began.
        let isAtWork = FileLock.isHeld("\(directory)/lock")
        if !isAtWork, try wasCutOff(id) { return nil }
        if let copy = try? StateFile.read(TaskIntent.self, spare(id)), copy.id == id {
            let place = Files.exists(path(id)) ? try damaged.setAside(path(id), as: "\(id)-task.json") : "nowhere"
            try write(copy)
            return .restored(copy, "\(reason); it is set aside (\(place)), and the copy in the pool takes its place")
        }
        if isAtWork {
            return .lost(
                "\(reason), and there is no copy in the pool; the task runs on, and nothing but its end can be had of it: kill \(helper(of: id))",
                isAtWork: true)
        }
        return .lost(
            "\(reason), and there is no copy in the pool; all that is known of it is in \(try damaged.setAside(directory, as: id))",
            isAtWork: false)
    }

    /// Removes what is left of a start that a kill or a power cut ended before its first word had reached the disk.
    private func wasCutOff(_ id: String) throws -> Bool {
        let directory = configuration.state(of: id)
        guard Files.isDirectory(directory, followsLink: false), isEmpty(path(id)) else { return false }
        let isFirst = try Files.list(directory).allSatisfy { $0.hasPrefix("task.json") || $0 == "lock" || $0 == "running" }
        guard isFirst, try configuration.pool.removeCutOff(task: id) else { return false }
        try Files.removeTree(directory)
        return true
    }

    private func isEmpty(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) != 0 || status.st_size == 0
    }

    private func helper(of id: String) -> String {
        let record = TaskRecovery(directory: configuration.state(of: id)).lastRunning
        return record.map { "\($0.helper.pid)" } ?? "the process 'dish-helper' of the task \(id)"
    }
}
