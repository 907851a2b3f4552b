public import AgentAPI
import Glibc
import Layers
import Linux
public import Logging
import Networks
public import Runtime
public import Spec
import TaskHelper

/// The agent's tasks: takes requests, writes intents, feeds each task's state machine and does what it says.
public actor TaskManager {
    struct ManagedTask {
        var intent: TaskIntent
        var machine: TaskMachine
        var helper: HelperWatch?
        /// Whether its helper is to start it. Never said of a task that an earlier agent prepared: something may be missing.
        var isToStart = false
        /// Whether its files are being taken away: nothing is written there any more.
        var isVanishing = false
        /// Why it couldn't be removed when that was tried last.
        var removalFailure: AgentError?
        /// Who or what is behind what is being done with it.
        var because = ""
        /// Asks how it is, while it runs.
        var health: HealthWatch?
        /// Whether its logs go with it.
        var purges = false
        /// What its run's file shall have, and is being written.
        var writing: Task<Void, Never>?
        /// True if that file lags behind, because it can't be written.
        var isUnwritten = false

        var generation: Int { machine.run.generation }
    }

    /// What happened, for whoever wants to know or has something to add.
    public nonisolated let events: EventLog
    nonisolated let resources: ResourceManager
    /// Tasks whose limits are being changed.
    var resizing: Set<String> = []
    var nextLookAtLimits = ContinuousClock.now
    /// Tasks to which something is happening now, and what waits for its turn.
    var turns: [String: [CheckedContinuation<Void, Never>]] = [:]

    let configuration: AgentConfiguration
    let launcher: TaskLauncher
    let logger: Logger
    var tasks: [String: ManagedTask] = [:]
    let boot: String
    /// Shared by all tasks' health checks.
    let probeSlots = ProbeSlots(8)
    var lastAddress: IPv4Address?
    /// Set once the network is there; several first tasks wait for the same preparation.
    var networkPreparation: Task<Void, any Error>?
    let changes = ChangeSignal()
    /// How many starts and removals are under way.
    var busy = 0
    var isShuttingDown = false
    /// Why this host takes no new tasks; nil when it does.
    private var drainReason: String?
    /// Ports of the host that jobs have.
    var jobPorts: [(job: String, port: PublishedPort)] = []

    public init(_ configuration: AgentConfiguration, runtime: any Runtime, logger: Logger) {
        self.configuration = configuration
        launcher = TaskLauncher(configuration: configuration, runtime: runtime)
        self.logger = logger
        boot = (try? ProcessIdentity.bootID()) ?? ""
        events = EventLog(directory: "\(configuration.stateDirectory)/events", logger: logger)
        resources = ResourceManager(configuration, events: events, logger: logger)
    }

    // MARK: Requests

    /// Prepares and starts a task. When that fails, nothing of it is left.
    ///
    /// - Parameters:
    ///   - layer: what the image's name stood for earlier; nil: what it stands for now.
    ///   - id: what it shall have; a task that has it already is what was asked for. Nil: a new one.
    ///   - because: who asks, for the events.
    public func start(
        _ given: TaskRequest, layer: String? = nil, id: String? = nil, because: String = "asked for over the API"
    ) async throws -> TaskStatus {
        if let id, let made = status(of: id) {
            // An earlier agent ended between making it and starting it: whoever asks again wants it to run.
            return try await hasNeverRun(id) ? startAgain(id, because: because) : made
        }
        try requireOpen()
        var intent: TaskIntent
        let secrets: RequestedSecrets
        do {
            // Who has a port is told by its name, before the host is asked, which knows only that somebody has it.
            try admission(without: nil).checkPorts(given)
            let configuration = configuration
            let survey: TaskSurvey
            (secrets, survey) = try await blocking {
                var request = given
                let secrets = try RequestedSecrets(takingFrom: &request, store: SecretStore(configuration))
                return (secrets, try TaskSurvey(request, layer: layer.flatMap { LayerID($0) }, configuration))
            }
            // Others may have come meanwhile, and the host may be being drained: from here on nothing is waited for.
            try requireOpen()
            intent = try admission(without: nil).admit(survey, id: id)
            intent.credentials = secrets.credentials.isEmpty ? nil : secrets.credentials
        } catch {
            throw Self.refusal(error)
        }
        lastAddress = intent.networkAddress ?? lastAddress
        let operation = RunningOperation.current
        operation?.concerns("/v1/tasks/\(intent.name)")
        operation?.note("makes its root file system, its network and its helper")
        operation?.allowCancelling {}
        tasks[intent.id] = ManagedTask(
            intent: intent,
            machine: TaskMachine(
                policy: intent.request.restart, removesWhenDone: intent.request.removeWhenDone, boot: boot))
        tasks[intent.id]?.because = because
        busy += 1
        defer { busy -= 1 }
        do {
            try await write(intent)
            let own = SecretStore(configuration, task: intent.id)
            try await blocking { for (name, content) in secrets.contents { try own.write(name, content) } }
            await resources.protect(reserving)
            if intent.address != nil { try await prepareNetwork() }
            watch(intent.id)
            try await launcher.prepare(intent, generation: 1)
            try await operation?.commit()
            events.record(.task, intent.name, id: intent.id, "created", reason: because)
            try await handle(.prepared, intent.id)
        } catch {
            logger.error("start task", metadata: ["task": "\(intent.name)", "error": "\(error)"])
            try? await launcher.killLeftovers(intent)
            try? await launcher.release(intent)
            await removeRefused(intent)
            tasks[intent.id] = nil
            changes.signal()
            events.record(.task, intent.name, id: intent.id, "refused", reason: "\(error)")
            if let cancellation = operation?.cancellation { throw cancellation }
            let explained = await explain(error)
            throw AgentError(AgentError(of: error).code, "start task '\(intent.name)': \(explained)")
        }
        changes.signal()
        return status(of: intent.id) ?? gone(intent)
    }

    /// - Throws: `AgentError` when no new tasks are taken.
    private func requireOpen() throws {
        guard !isShuttingDown else { throw AgentError(.failed, "the agent is shutting down") }
        guard let drainReason else { return }
        throw AgentError(
            .conflict,
            "this host is being drained and takes no new tasks (\(drainReason)); it does again after: dish host undrain")
    }

    private func explain(_ error: any Error) async -> String {
        let pool = configuration.pool
        return (try? await blocking { HostTrouble.explain(error, pool) }) ?? "\(error)"
    }

    /// - Parameter reason: why no new tasks are taken; nil: they are.
    func drain(_ reason: String?) { drainReason = reason }

    /// Keeps ports for jobs: no task gets them.
    func reserve(ports: [(job: String, port: PublishedPort)]) { jobPorts = ports }

    /// Calls a body whenever something of a task has changed.
    nonisolated func observe(_ body: @escaping @Sendable () -> Void) { changes.observe(body) }

    public func list() -> [TaskStatus] {
        tasks.values.sorted { ($0.intent.created, $0.intent.name) < ($1.intent.created, $1.intent.name) }.map(describe)
    }

    /// - Parameter name: a name, an id, or the beginning of one.
    public func task(_ name: String) throws -> TaskStatus { describe(try find(name)) }

    /// Returns once the task is as asked, has ended, or the time is over.
    public func wait(_ name: String, until state: TaskStatus.State, seconds: Int) async throws -> TaskStatus {
        let id = try find(name).intent.id
        let deadline = ContinuousClock.now + .seconds(max(0, min(seconds, 86400)))
        while let status = status(of: id) {
            if status.state == state || status.state.hasEnded || ContinuousClock.now >= deadline { return status }
            try await changes.wait(until: deadline)
        }
        throw Self.unknown(name)
    }

    /// Ends a task and returns once it has ended; one that has already is no error.
    ///
    /// - Parameter timeout: seconds until what is left is killed.
    public func stop(
        _ name: String, timeout: UInt32, because: String = "asked for over the API"
    ) async throws -> TaskStatus {
        let task = try find(name)
        RunningOperation.current?.note("waits for its end; what is left after \(timeout) s is killed")
        try await handle(.stop(seconds: timeout), task.intent.id, because: because)
        // A task that hasn't ended by then is ended by force (`enforce`).
        let deadline = ContinuousClock.now + .seconds(Int(timeout) + 30)
        while let now = tasks[task.intent.id] {
            let status = describe(now)
            if status.state.hasEnded { return status }
            guard [.rest, .remove].contains(now.machine.run.wish) else {
                throw AgentError(
                    .conflict, "the task '\(now.intent.name)' runs on: it was asked to start again meanwhile (\(now.because))")
            }
            guard ContinuousClock.now < deadline else {
                throw AgentError(.failed, "the task '\(now.intent.name)' did not end; see: dish logs \(now.intent.name)")
            }
            try await changes.wait(until: deadline)
        }
        return gone(task.intent)
    }

    // MARK: Machinery

    /// Listens to the helper of a task's current run until it is gone.
    func watch(_ id: String) {
        guard let generation = tasks[id]?.generation else { return }
        let socket = configuration.helperSocket(of: id)
        let recovery = TaskRecovery(directory: configuration.state(of: id), generation: generation)
        Task {
            while isUnderWay(id, generation) {
                if let helper = try? await HelperWatch.connect(socket, deadline: 5000), isUnderWay(id, generation) {
                    tasks[id]?.helper = helper
                    // A stop that was asked for before the helper was there.
                    if let seconds = tasks[id]?.machine.stop(at: HostClock.now) { try? helper.send(.stop(seconds: seconds)) }
                    try? helper.send(.watch)
                    if tasks[id]?.isToStart == true { try? helper.send(.start) }
                    // After the exit the helper takes the control group down; only then is it the agent's turn.
                    for await case .state(let record) in helper.messages where record.generation == generation {
                        // In a task of its own: one keeps the memory of its deepest call until it ends, and this one waits for long.
                        await Task { await report(.helper(record), id) }.value
                    }
                    tasks[id]?.helper = nil
                }
                // What is being made for it is finished first, so that it can be taken away.
                while tasks[id]?.machine.state == .preparing, isUnderWay(id, generation), !recovery.hasHelper {
                    try? await Task.sleep(for: .milliseconds(10))
                }
                // On a busy host a helper may take its time to listen; one that ends closes its socket a moment before it gives up its lock.
                if recovery.hasHelper {
                    try? await Task.sleep(for: .milliseconds(100))
                    if recovery.hasHelper { continue }
                }
                guard isUnderWay(id, generation) else { return }
                let exit = recovery.exit.map { $0.isAbandoned ? TaskMachine.Event.neverStarted : .exited($0) }
                await report(exit ?? .helperLost, id)
                return
            }
        }
    }

    func isUnderWay(_ id: String, _ generation: Int) -> Bool {
        guard let task = tasks[id] else { return false }
        return task.generation == generation && task.machine.isUnderWay
    }

    func report(_ event: TaskMachine.Event, _ id: String) async {
        do {
            try await handle(event, id)
        } catch {
            logger.error("task", metadata: ["id": "\(id)", "error": "\(error)"])
        }
    }

    func write(_ intent: TaskIntent) async throws {
        let store = IntentStore(configuration)
        try await blocking { try store.write(intent) }
    }

    func find(_ name: String) throws -> ManagedTask {
        if let task = tasks[name] ?? tasks.values.first(where: { $0.intent.name == name }) { return task }
        let matches = name.utf8.count >= 3 ? tasks.values.filter { $0.intent.id.hasPrefix(name) } : []
        if matches.count > 1 {
            throw AgentError(.invalid, "'\(name)' is the beginning of \(matches.count) tasks' ids; give more digits")
        }
        guard let match = matches.first else { throw Self.unknown(name) }
        return match
    }

    static func unknown(_ name: String) -> AgentError {
        AgentError(.notFound, "there is no task '\(name)'; see what there is: dish ps")
    }

    /// Names the field that is behind an error which names none.
    static func naming<Result>(_ field: String, _ body: () throws -> Result) throws(AgentError) -> Result {
        do {
            return try body()
        } catch {
            let refusal = Self.refusal(error)
            throw refusal.field == nil ? AgentError(refusal.code, refusal.message, field: field) : refusal
        }
    }

    static func refusal(_ error: any Error) -> AgentError {
        switch error {
        case let error as AgentError: error
        case let error as NetworkError: AgentError(error.code == .conflict ? .conflict : .invalid, error.description)
        case let error as PoolError: AgentError(code(of: error), error.description)
        default: AgentError(of: error)
        }
    }

    private static func code(of error: PoolError) -> AgentError.Code {
        switch error.code {
        case .unknownImage, .unknownVolume: .notFound
        case .inUse: .conflict
        default: .invalid
        }
    }
}
