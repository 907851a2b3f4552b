public import AgentAPI
import Glibc
import Layers
import Linux
public import Logging
import TaskHelper

/// Tells the scheduler how this host is, and brings the host to what it answers (docs/heartbeat.md).
public actor SchedulerHeartbeat {
    private let configuration: AgentConfiguration
    private let scheduler: any Scheduler
    private let tasks: TaskManager
    private let packages: PackageManager
    private let drain: HostDrain
    private let store: SchedulerStore
    private let events: EventLog
    private let logger: Logger
    private let assignments: JobAssignments
    private let jobs: JobManager
    private let boot: String
    private let started = UsageReader.wallClock()
    private var host = ""
    private var link: SchedulerLink
    private var sequence: UInt64 = 0
    private(set) var last: HostHeartbeat?
    private var images: (at: Int64, list: [HostHeartbeat.Image])?

    /// Milliseconds that a list of images is good for.
    private static let imagesFreshness: Int64 = 60_000

    /// - Parameter interval: seconds between heartbeats, until the scheduler says otherwise.
    public init(
        _ configuration: AgentConfiguration, scheduler: any Scheduler, interval: Int, tasks: TaskManager, jobs: JobManager,
        packages: PackageManager, drain: HostDrain, logger: Logger
    ) {
        self.configuration = configuration
        self.scheduler = scheduler
        self.tasks = tasks
        self.jobs = jobs
        self.packages = packages
        self.drain = drain
        self.logger = logger
        events = tasks.events
        store = SchedulerStore(
            stateDirectory: configuration.stateDirectory, runtimeDirectory: configuration.runtimeDirectory)
        boot = (try? ProcessIdentity.bootID()) ?? ""
        link = SchedulerLink(
            isBuiltIn: scheduler.isBuiltIn, memory: .init(), contact: nil, interval: Int64(interval) * 1000)
        assignments = JobAssignments(jobs: jobs, logger: logger)
    }

    /// Reads what an earlier agent knew. Before any job is looked after: some may have to wait.
    public func recover() async throws {
        let (store, boot, directory) = (store, boot, configuration.stateDirectory)
        let (host, memory, contact) = try await blocking {
            (try HostIdentity.read(stateDirectory: directory), try store.memory(), store.contact(boot: boot))
        }
        self.host = host
        link = SchedulerLink(isBuiltIn: link.isBuiltIn, memory: memory, contact: contact, interval: link.interval)
        await jobs.follow(link)
        if !link.isBuiltIn, let wanted = memory.assignments { await assignments.want(wanted) }
    }

    /// Sends heartbeats until it is cancelled.
    public func run() async throws {
        while true {
            await beat()
            // Hosts that were started together don't all ask together.
            let pause = Double(link.interval) * Double.random(in: 0.9...1.1)
            try await Task.sleep(for: .milliseconds(Int64(pause)))
        }
    }

    /// Sends one heartbeat and does what its answer says.
    private func beat() async {
        do {
            let sent = HostClock.now
            let message = try await message(at: sent)
            let event: SchedulerLink.Event
            do {
                event = .answered(try await scheduler.send(message), sequence: message.sequence, sent: sent)
            } catch {
                event = .failed("\(error)")
            }
            await handle(event)
        } catch {
            logger.error("heartbeat", metadata: ["error": "\(error)"])
            await handle(.failed("\(error)"))
        }
    }

    private func handle(_ event: SchedulerLink.Event) async {
        var next = link
        let actions = next.handle(event, at: HostClock.now)
        let (store, boot, memory) = (store, boot, next.memory)
        do {
            // An epoch that isn't on disk hasn't been seen.
            if actions.contains(.remember) { try await blocking { try store.write(memory) } }
            if let contact = next.contact, contact != link.contact {
                try await blocking { try store.write(contact: contact, boot: boot) }
            }
        } catch {
            return logger.error("write what the scheduler said; it isn't obeyed", metadata: ["error": "\(error)"])
        }
        link = next
        await jobs.follow(link)
        for action in actions {
            switch action {
            case .remember: break
            case .assign: await assignments.want(memory.assignments ?? [])
            case .report(let what, let reason):
                events.record(.host, HostResources.name(), what, reason: reason)
                logger.info("\(what)", metadata: ["scheduler": "\(scheduler.name)", "reason": "\(reason)"])
            }
        }
        if !link.isBuiltIn { await assignments.settle() }
    }

    // MARK: Message

    /// The last heartbeat, or one that isn't sent where that is older than the interval.
    public func current() async throws -> HostHeartbeat {
        if let last, HostClock.now - last.uptime <= link.interval { return last }
        return try await message(at: HostClock.now)
    }

    private func message(at now: Int64) async throws -> HostHeartbeat {
        let pressure = await packages.pressure()
        let pool = configuration.pool
        let isWritable = try await blocking { pool.isWritable }
        var message = HostHeartbeat(
            host: host, name: HostResources.name(), boot: boot, agentStarted: started, sequence: sequence + 1,
            at: UsageReader.wallClock(), uptime: now, capacity: try await tasks.host(),
            pool: .init(path: pool.path, pressure: pressure, isWritable: isWritable))
        sequence += 1
        message.sequence = sequence
        (message.epoch, message.revision, message.refusals) = (link.memory.epoch, link.memory.revision, link.memory.refusals)
        message.needsAssignments = link.wantsAssignments(now)
        message.isDraining = await drain.status != nil
        message.tasks = await tasks.list().map(HostHeartbeat.Task.init)
        message.jobs = await jobs.list().map(HostHeartbeat.Job.init)
        message.failures = await assignments.failures.sorted { $0.key < $1.key }.map { .init(job: $0.key, reason: $0.value) }
        message.images = try await inventory(now)
        last = message
        return message
    }

    private func inventory(_ now: Int64) async throws -> [HostHeartbeat.Image] {
        if let images, now - images.at < Self.imagesFreshness { return images.list }
        let pool = configuration.pool
        let names = try await blocking { try pool.allNames() }
        let list = Dictionary(grouping: names) { $0.value.hex }.map { layer, names in
            HostHeartbeat.Image(layer: layer, names: names.map(\.key).sorted())
        }.sorted { $0.layer < $1.layer }
        images = (now, list)
        return list
    }

    // MARK: Status

    public func status() async -> SchedulerStatus {
        let now = HostClock.now
        let state: SchedulerStatus.State = link.isBuiltIn ? .builtIn : link.isAway(now) ? .away : .connected
        var status = SchedulerStatus(
            name: scheduler.name, state: state, epoch: link.memory.epoch, revision: link.memory.revision,
            refusals: link.memory.refusals)
        guard !link.isBuiltIn else { return status }
        status.silence = link.contact.map { now - $0 }
        status.reason = link.failure
        status.held = await jobs.list().filter { $0.state == .waiting && $0.wanted == 0 }.map(\.name)
        return status
    }
}
