public import AgentAPI
import FoundationEssentials
import Glibc
import Layers
import Linux
public import Logging
import Networks
public import Spec

/// The agent's jobs: keeps what people asked for on disk, and brings the tasks there (docs/jobs.md).
///
/// One loop looks at all jobs after each change and performs what the reconciler says; requests change what is wanted
/// and wake it.
public actor JobManager {
    /// A job with what is under way for it.
    struct Managed {
        var job: Job
        var machine = JobReconciler()
        /// Numbers of replicas that are being started, and their versions.
        var starting: [Int: Int] = [:]
        /// Ids of tasks that are on their way out.
        var leaving: Set<String> = []
        /// Why no replica may start.
        var blocked: String?

        init(_ job: Job) {
            self.job = job
        }
    }

    let configuration: AgentConfiguration
    let tasks: TaskManager
    let packages: PackageManager
    let store: JobStore
    let progress: JobProgress
    let logger: Logger
    var jobs: [String: Managed] = [:]
    /// Grows with each start and stop that has come to its end.
    var completions = 0
    var exposure: JobExposure
    var isShuttingDown = false
    /// Why this host takes no new tasks; nil when it does.
    var drainReason: String?
    /// Volumes of jobs that one task may write to at a time.
    var ownVolumes: Set<String> = []
    var scheduler: SchedulerLink?
    private var saving: Set<String> = []
    /// The layers that the pool was last told to keep.
    var kept: [LayerID: String]?
    /// Tells those who wait for a job.
    let changes = ChangeSignal()
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    public init(_ configuration: AgentConfiguration, tasks: TaskManager, packages: PackageManager, logger: Logger) {
        self.configuration = configuration
        self.tasks = tasks
        self.packages = packages
        self.logger = logger
        store = JobStore(stateDirectory: configuration.stateDirectory)
        progress = JobProgress(runtimeDirectory: configuration.runtimeDirectory)
        exposure = JobExposure(configuration)
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Finds the jobs of an earlier agent. Its tasks have been found before.
    ///
    /// - Parameter missing: nil when that agent recorded all it did.
    public func recover(_ missing: MissingEvents? = nil) async throws {
        let (store, progress) = (store, progress)
        let found = try await blocking { try store.load() }
        for (name, damage) in found.damaged.sorted(by: { $0.key < $1.key }) { report(name, "damaged", damage) }
        if let missing {
            tasks.events.record(.job, missing: missing.jobs(found.jobs, damaged: Set(found.damaged.keys)))
        }
        for job in found.jobs {
            jobs[job.name] = Managed(job)
            jobs[job.name]?.machine = await (try? blocking { progress.read(job.name) }) ?? JobReconciler()
        }
        await findOwnVolumes()
        await reservePorts()
        await keepLayers()
        var next = exposure
        await next.recover()
        exposure = next
        let wakeUp = wakeUp
        tasks.observe { wakeUp.yield() }
    }

    /// Reconciles until it is cancelled.
    public func run() async {
        wakeUp.yield()
        var timer: Task<Void, any Error>?
        for await _ in wakeUps {
            timer?.cancel()
            guard !isShuttingDown else { return }
            guard let wake = await reconcile() else { continue }
            let delay = max(1, wake - HostClock.now)
            let wakeUp = wakeUp
            timer = Task {
                try await Task.sleep(for: .milliseconds(delay))
                wakeUp.yield()
            }
        }
        timer?.cancel()
    }

    /// Lets no more be started.
    public func shutDown() {
        isShuttingDown = true
        wakeUp.yield()
    }

    func wake() { wakeUp.yield() }

    // MARK: Requests

    /// Makes a job as it is described, or says what that would change.
    ///
    /// - Parameter assigned: whether the host's scheduler wants it.
    public func apply(_ spec: JobSpec, dryRun: Bool, because: String, assigned: Bool = false) async throws -> JobChange {
        try await apply(spec, dryRun: dryRun, because: because, assigned: assigned, if: .none)
    }

    func apply(
        _ spec: JobSpec, dryRun: Bool, because: String, assigned: Bool = false, untilReady: Bool = false,
        if condition: Precondition
    ) async throws -> JobChange {
        try requireOwn(spec.name, assigned: assigned)
        try await check(spec)
        // Before anything of the job is touched: nothing is down while an image is on its way.
        let image = try await image(of: spec, dryRun: dryRun)
        try await RunningOperation.current?.commit()
        // That may have taken long.
        try requireOwn(spec.name, assigned: assigned)
        try await check(spec)
        let seen = await tasks.list()
        // Nothing comes between this and the job's place among the others.
        try validation(of: spec).check()
        try condition.check("the job '\(spec.name)'", jobs[spec.name].map { describe($0, seen) })
        let before = jobs[spec.name]?.job
        if before?.isRemoved == true {
            throw AgentError(.conflict, "the job '\(spec.name)' is being removed; apply it again later")
        }
        let number =
            (before?.target.number ?? seen.compactMap(\.owner).filter { $0.job == spec.name }.map(\.version).max() ?? 0) + 1
        let version = JobVersion(
            number: number, spec: spec, layer: image?.layer.hex ?? "not pulled", created: Int64(time(nil)), reason: "applied")
        let change = try Self.change(from: before, to: version)
        if dryRun { return change }
        if change.kind == .unchanged {
            if untilReady { try await waitUntilReady(change, from: before, because: because) }
            return change
        }
        var job = before ?? Job(first: version)
        if before != nil, change.kind == .changed { try job.add(version) }
        job.isStopped = false
        job.isAssigned = assigned ? true : nil
        try await put(job, change.kind.rawValue, "\(because): version \(change.version)")
        // From here on it is kept for the job.
        withExtendedLifetime(image) {}
        if untilReady { try await waitUntilReady(change, from: before, because: because) }
        return change
    }

    private static func change(from before: Job?, to version: JobVersion) throws -> JobChange {
        let fields = try JobDifference.fields(from: before?.target, to: version.spec, layer: version.layer)
        guard let before else {
            return JobChange(
                name: version.spec.name, kind: .created, version: version.number, fields: fields, replacesReplicas: false)
        }
        if fields.isEmpty {
            return JobChange(
                name: before.name, kind: before.isStopped ? .started : .unchanged, version: before.target.number, fields: [],
                replacesReplicas: false)
        }
        return JobChange(
            name: before.name, kind: .changed, version: version.number, fields: fields,
            replacesReplicas: !version.hasTemplate(of: before.target) && !before.isStopped)
    }

    /// Goes back to an earlier version.
    public func rollBack(
        _ name: String, to number: Int?, untilReady: Bool = false, because: String
    ) async throws -> JobChange {
        let job = try find(name).job
        try requireOwn(name, assigned: false)
        guard !job.isRemoved else { throw AgentError(.conflict, "the job '\(name)' is being removed") }
        guard let earlier = number.map({ job.version($0) }) ?? job.fallback else {
            let what = number.map { "has no version \($0)" } ?? "has no earlier version that was healthy"
            throw AgentError(.notFound, "the job '\(name)' \(what); see: dish job history \(name)")
        }
        let version = try await self.version(like: earlier, of: job, reason: "rolled back to version \(earlier.number)")
        let change = try Self.change(from: job, to: version)
        guard change.kind != .unchanged else { return change }
        var next = try find(name).job
        guard !next.isRemoved else { throw AgentError(.conflict, "the job '\(name)' is being removed") }
        _ = try validation(of: version.spec).ports()
        if change.kind == .changed { try next.add(version) }
        next.isStopped = false
        try await put(
            next, "rolled back", "\(because): version \(earlier.number) again, as version \(version.number)")
        if untilReady { try await waitUntilReady(change, from: job, because: because) }
        return change
    }

    /// The next version of a job, which is as an earlier one was.
    func version(like earlier: JobVersion, of job: Job, reason: String, isAutomatic: Bool = false) async throws -> JobVersion {
        let pool = configuration.pool
        let isThere = try await blocking { try LayerID(earlier.layer).flatMap { try pool.layer($0) } != nil }
        guard isThere else {
            throw AgentError(
                .conflict,
                "the layer \(earlier.layer.prefix(12)) of version \(earlier.number) of '\(job.name)' is not in the pool any more; build or pull its image, then apply the job"
            )
        }
        // Others may have got its ports since.
        try await checkPorts(validation(of: earlier.spec))
        return JobVersion(
            number: job.target.number + 1, spec: earlier.spec, layer: earlier.layer, created: Int64(time(nil)),
            reason: reason, rollbackOf: earlier.number, isAutomatic: isAutomatic)
    }

    /// Ends a job's replicas and returns once they have ended.
    public func stop(_ name: String, because: String) async throws -> JobStatus {
        var job = try find(name).job
        try requireOwn(name, assigned: false)
        // Nobody takes a removal back, which ends them too.
        if !job.isStopped, !job.isRemoved {
            job.isStopped = true
            try await put(job, "stopped", because)
            RunningOperation.current?.allowCancelling { try await self.want(name) }
        }
        let status = try await wait(name, seconds: stopDeadline(job)) { status in
            RunningOperation.current?.note(status)
            return status.replicas.isEmpty || status.wanted > 0
        }
        try await RunningOperation.current?.commit()
        guard status.replicas.isEmpty else {
            throw status.wanted > 0
                ? AgentError(.conflict, "somebody else wants the job '\(name)' to run again; see: dish job status \(name)")
                : AgentError(.failed, "the job '\(name)' has not ended yet; see: dish job status \(name)")
        }
        return status
    }

    /// Ends a job's replicas, forgets it, and returns once nothing of it is left.
    public func remove(_ name: String, because: String, assigned: Bool = false) async throws {
        try await remove(name, because: because, assigned: assigned, if: .none)
    }

    func remove(_ name: String, because: String, assigned: Bool = false, if condition: Precondition) async throws {
        let seen = await tasks.list()
        try condition.check("the job '\(name)'", jobs[name].map { describe($0, seen) })
        var job = try find(name).job
        try requireOwn(name, assigned: assigned)
        if let user = jobs.values.first(where: { $0.job.spec.dependsOn.contains { $0.job == name } && !$0.job.isRemoved }) {
            throw AgentError(
                .conflict, "the job '\(user.job.name)' depends on '\(name)'; remove it first: dish job rm \(user.job.name)")
        }
        if !job.isRemoved {
            job.isRemoved = true
            try await put(job, "removed", because)
        }
        let deadline = ContinuousClock.now + .seconds(stopDeadline(job))
        while jobs[name] != nil {
            guard ContinuousClock.now < deadline else {
                throw AgentError(.failed, "the job '\(name)' is still being removed; see: dish job status \(name)")
            }
            try await changes.wait(until: deadline)
        }
    }

    private func stopDeadline(_ job: Job) -> Int { job.spec.drain + Int(job.spec.stopTimeout) + 120 }

    public func list() async -> [JobStatus] {
        let seen = await tasks.list()
        return jobs.values.map { describe($0, seen) }.sorted { $0.name < $1.name }
    }

    public func status(_ name: String) async throws -> JobStatus {
        let seen = await tasks.list()
        return describe(try find(name), seen)
    }

    /// A job's versions, the newest first.
    public func history(_ name: String) throws -> [JobVersion] { try find(name).job.versions.reversed() }

    /// Returns once a condition holds, or the time is over.
    public func wait(_ name: String, seconds: Int, until condition: (JobStatus) -> Bool) async throws -> JobStatus {
        let deadline = ContinuousClock.now + .seconds(max(0, min(seconds, 86400)))
        while true {
            let status = try await status(name)
            if condition(status) || ContinuousClock.now >= deadline { return status }
            try await changes.wait(until: deadline)
        }
    }

    // MARK: State

    func find(_ name: String) throws -> Managed {
        guard let managed = jobs[name] else {
            throw AgentError(.notFound, "there is no job '\(name)'; see what there is: dish job ls")
        }
        return managed
    }

    /// Takes a job over, once it is on disk, and records it as an event before anybody can see it done.
    func put(_ job: Job, _ what: String, _ reason: String) async throws {
        let before = jobs[job.name]
        var managed = before ?? Managed(job)
        managed.job = job
        jobs[job.name] = managed
        do {
            try await save(job.name)
        } catch {
            undo(job, before?.job)
            throw AgentError(of: error, in: "keep the job '\(job.name)'")
        }
        report(job.name, what, reason)
        await reservePorts()
        wake()
        changes.signal()
    }

    /// Forgets what couldn't be written, unless somebody wants something else by now. What has begun for it is known on.
    func undo(_ job: Job, _ before: Job?) {
        guard let now = jobs[job.name],
            (now.job.target.number, now.job.isStopped, now.job.isRemoved) == (job.target.number, job.isStopped, job.isRemoved)
        else { return }
        if let before {
            jobs[job.name]?.job = before
        } else if now.starting.isEmpty, now.leaving.isEmpty {
            jobs[job.name] = nil
        } else {
            jobs[job.name]?.job.isRemoved = true
        }
        wake()
    }

    /// Writes a job as it is now. One write at a time, so that the last state is the one that stays.
    func save(_ name: String) async throws {
        while saving.contains(name) { try await changes.wait(until: .now + .seconds(1)) }
        guard let job = jobs[name]?.job else { return }
        saving.insert(name)
        defer {
            saving.remove(name)
            changes.signal()
        }
        await keepLayers()
        let store = store
        try await blocking { try store.write(job) }
    }

    func reservePorts() async {
        let ports = jobs.values.flatMap { managed in
            managed.job.spec.task.publish.map { (managed.job.name, $0) }
        }
        await tasks.reserve(ports: ports.map { (job: $0.0, port: $0.1) })
    }

    /// Writes down that something happened to a job, and why.
    func report(_ name: String, _ what: String, _ reason: String) {
        tasks.events.record(.job, name, what, reason: reason)
        logger.info("job", metadata: ["job": "\(name)", "what": "\(what)", "reason": "\(reason)"])
    }
}
