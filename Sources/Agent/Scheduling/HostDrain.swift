public import AgentAPI
import Glibc
import Layers
import Linux
public import Logging

/// Whether this host takes new tasks: remembered until somebody says otherwise, over restarts of agent and host.
public actor HostDrain {
    private let path: String
    private let tasks: TaskManager
    private let jobs: JobManager
    private let logger: Logger
    public private(set) var status: DrainStatus?

    public init(_ configuration: AgentConfiguration, tasks: TaskManager, jobs: JobManager, logger: Logger) {
        path = "\(configuration.stateDirectory)/drain.json"
        self.tasks = tasks
        self.jobs = jobs
        self.logger = logger
    }

    /// Before any job is looked after.
    ///
    /// - Parameter missing: nil when the last agent recorded all it did.
    public func recover(_ missing: MissingEvents? = nil) async {
        defer {
            if let what = missing?.drain(since: status?.since) {
                tasks.events.record(.host, HostResources.name(), what, reason: MissingEvents.reason)
            }
        }
        let path = path
        do {
            guard let found = try await blocking({ Files.exists(path) ? try StateFile.read(DrainStatus.self, path) : nil })
            else { return }
            status = found
        } catch {
            // That there was a file is what counts.
            status = DrainStatus(since: Int64(time(nil)), reason: "its file '\(path)' can't be read")
            logger.error("read why this host is drained", metadata: ["error": "\(error)"])
        }
        await pass()
    }

    /// Ends the replicas of jobs and lets nothing new begin; again is no error. Tasks that people started run on.
    public func drain(_ request: DrainRequest, because: String) async throws {
        let reason = request.reason.flatMap { $0.isEmpty ? nil : $0 } ?? because
        let next = DrainStatus(since: status?.since ?? Int64(time(nil)), reason: reason)
        let path = path
        try await blocking { try StateFile.write(next, path) }
        let isNew = status == nil
        status = next
        if isNew { tasks.events.record(.host, HostResources.name(), "draining", reason: reason) }
        await pass()
    }

    public func undrain(because: String) async throws {
        guard status != nil else { return }
        let path = path
        try await blocking {
            guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
            try Files.syncDirectory(Files.parent(of: path))
        }
        status = nil
        tasks.events.record(.host, HostResources.name(), "undrained", reason: because)
        await pass()
    }

    private func pass() async {
        await tasks.drain(status?.reason)
        await jobs.drain(status?.reason)
    }
}
