public import AgentAPI
import Glibc
import Layers
import Linux
public import Logging
import Networks
public import Runtime
import TaskHelper

/// The agent's tasks: takes requests, writes intents, feeds each task's state machine and does what it says.
public actor TaskManager {
    struct ManagedTask {
        let intent: TaskIntent
        var machine: TaskMachine
        var helper: HelperWatch?
        /// Whether its helper is to start it. Never said of a task that an earlier agent prepared: something may be missing.
        var isToStart = false
    }

    private let configuration: AgentConfiguration
    private let launcher: TaskLauncher
    private let logger: Logger
    private var tasks: [String: ManagedTask] = [:]
    private var lastAddress: IPv4Address?
    /// Set once the network is there; several first tasks wait for the same preparation.
    private var networkPreparation: Task<Void, any Error>?
    private let changes = ChangeSignal()
    /// How many starts and removals are under way.
    private var busy = 0
    private var isShuttingDown = false

    public init(_ configuration: AgentConfiguration, runtime: any Runtime, logger: Logger) {
        self.configuration = configuration
        launcher = TaskLauncher(configuration: configuration, runtime: runtime)
        self.logger = logger
    }

    // MARK: Requests

    /// Prepares and starts a task. When that fails, nothing of it is left.
    public func start(_ request: TaskRequest) async throws -> TaskStatus {
        guard !isShuttingDown else { throw AgentError(.failed, "the agent is shutting down") }
        let admission = TaskAdmission(configuration: configuration, others: tasks.values.map(\.intent), lastAddress: lastAddress)
        let intent: TaskIntent
        do {
            intent = try admission.admit(request)
        } catch {
            throw Self.refusal(error)
        }
        lastAddress = intent.networkAddress ?? lastAddress
        tasks[intent.id] = ManagedTask(intent: intent, machine: TaskMachine(removesWhenDone: request.removeWhenDone))
        busy += 1
        defer { busy -= 1 }
        do {
            try await write(intent)
            if intent.address != nil { try await prepareNetwork() }
            watch(intent.id)
            try await launcher.prepare(intent)
            try await perform(tasks[intent.id]?.machine.handle(.prepared) ?? [], intent)
        } catch {
            logger.error("start task", metadata: ["task": "\(intent.name)", "error": "\(error)"])
            try? await launcher.killLeftovers(intent)
            try? await launcher.release(intent)
            try? await launcher.remove(intent)
            tasks[intent.id] = nil
            changes.signal()
            throw AgentError(.failed, "start task '\(intent.name)': \(error)")
        }
        changes.signal()
        return status(of: intent.id) ?? gone(intent)
    }

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
            await changes.wait(until: deadline)
        }
        throw Self.unknown(name)
    }

    /// Returns once nothing is left of a task that is removed when it ends, or the time is over.
    public func waitUntilRemoved(_ name: String, seconds: Int) async throws {
        guard let id = try? find(name).intent.id else { return }
        let deadline = ContinuousClock.now + .seconds(max(0, min(seconds, 86400)))
        while tasks[id] != nil, ContinuousClock.now < deadline { await changes.wait(until: deadline) }
        if let left = tasks[id] { throw AgentError(.failed, "the task '\(left.intent.name)' is still there after \(seconds) s") }
    }

    /// Ends a task and returns once it has ended; one that has already is no error.
    ///
    /// - Parameter timeout: seconds until what is left is killed.
    public func stop(_ name: String, timeout: UInt32) async throws -> TaskStatus {
        let task = try find(name)
        try await handle(.stop(seconds: timeout), task.intent.id)
        do {
            let status = try await wait(task.intent.id, until: .exited, seconds: Int(timeout) + 30)
            guard status.state.hasEnded else {
                throw AgentError(.failed, "the task '\(task.intent.name)' did not end; see: dish logs \(task.intent.name)")
            }
            return status
        } catch let error as AgentError where error.code == .notFound {
            return gone(task.intent)
        }
    }

    /// Removes a task and everything that is its own.
    ///
    /// - Parameter force: whether one that runs is killed first.
    public func remove(_ name: String, force: Bool) async throws {
        let task = try find(name)
        let id = task.intent.id
        if !task.machine.visible.hasEnded {
            guard force else {
                throw AgentError(
                    .conflict,
                    "the task '\(task.intent.name)' is \(task.machine.visible.rawValue); stop it first: dish stop \(task.intent.name) (or dish rm --force)"
                )
            }
            _ = try await stop(id, timeout: 0)
        }
        busy += 1
        defer { busy -= 1 }
        try await handle(.remove, id)
        // Another request, or its own end, may be removing it already.
        try await waitUntilRemoved(id, seconds: 60)
    }

    // MARK: Beginning and end of the agent

    /// Finds again the tasks of an earlier agent, which run on without it.
    public func recover() async throws {
        for change in HostPreparation.apply() { logger.info("host: \(change)") }
        let directory = "\(configuration.stateDirectory)/tasks"
        try Files.makeDirectories(directory, mode: 0o700)
        var events: [(String, TaskMachine.Event?)] = []
        for id in try Files.list(directory) {
            let intent: TaskIntent
            do {
                intent = try StateFile.read(TaskIntent.self, "\(directory)/\(id)/task.json")
            } catch {
                setAside(id, error)
                continue
            }
            guard intent.pool == configuration.pool.path else {
                throw AgentError(
                    .conflict,
                    "'\(configuration.stateDirectory)' holds the task '\(intent.name)' of the pool '\(intent.pool)'; use that pool, or another --state-dir"
                )
            }
            tasks[id] = ManagedTask(
                intent: intent,
                machine: TaskMachine(.alive(nil, stop: nil), removesWhenDone: intent.request.removeWhenDone))
            events.append((id, TaskRecovery(directory: configuration.state(of: id), boot: intent.boot).event))
        }
        let alive = events.compactMap { $0.1 == nil || $0.1?.isAlive == true ? tasks[$0.0]?.intent : nil }
        if alive.contains(where: { $0.address != nil }) { try await prepareNetwork(with: alive) }
        for (id, event) in events {
            // What can't be cleaned up for one task, on a pool that turned read-only for instance, must not keep the others.
            if let event { await report(event, id) }
            if tasks[id]?.machine.visible.hasEnded == false { watch(id) }
        }
        logger.info("tasks found again", metadata: ["alive": "\(alive.count)", "all": "\(events.count)"])
    }

    /// Lets what is under way finish; takes the network down when no task is left.
    public func shutDown() async {
        isShuttingDown = true
        let deadline = ContinuousClock.now + .seconds(10)
        while busy > 0, ContinuousClock.now < deadline { await changes.wait(until: deadline) }
        guard tasks.isEmpty else { return }
        // An earlier agent may have made it.
        let network = configuration.network
        try? await blocking {
            HostPreparation.undo()
            try network.remove()
        }
    }

    /// What needs doing now and then: quota groups of tasks whose subvolumes the kernel has cleaned.
    public func housekeeping() async {
        let pool = configuration.pool
        do {
            try await blocking { try pool.removeUnusedQuotaGroups() }
        } catch {
            logger.debug("remove unused quota groups", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Machinery

    private func handle(_ event: TaskMachine.Event, _ id: String) async throws {
        guard let intent = tasks[id]?.intent, let before = tasks[id]?.machine.state else { return }
        let actions = tasks[id]?.machine.handle(event) ?? []
        if tasks[id]?.machine.state != before {
            logger.info("task", metadata: ["task": "\(intent.name)", "state": "\(tasks[id]?.machine.visible.rawValue ?? "")"])
            changes.signal()
        }
        try await perform(actions, intent)
    }

    private func perform(_ actions: [TaskMachine.Action], _ intent: TaskIntent) async throws {
        for action in actions {
            switch action {
            case .launch:
                tasks[intent.id]?.isToStart = true
                // One that isn't met yet is told when it is.
                try tasks[intent.id]?.helper?.send(.start)
            case .tellHelper(let seconds):
                do {
                    try tasks[intent.id]?.helper?.send(.stop(seconds: seconds))
                } catch {
                    // Its end is what is asked for, and is seen by the watch.
                    logger.debug("stop", metadata: ["task": "\(intent.name)", "error": "\(error)"])
                }
            case .killLeftovers: await attempt("end what is left", intent) { try await launcher.killLeftovers(intent) }
            case .release: await attempt("release the network", intent) { try await launcher.release(intent) }
            case .remove: try await remove(intent)
            }
        }
    }

    private func remove(_ intent: TaskIntent) async throws {
        do {
            try await launcher.remove(intent)
        } catch {
            _ = tasks[intent.id]?.machine.handle(.failed("\(error)"))
            changes.signal()
            throw AgentError(.failed, "remove task '\(intent.name)': \(error)")
        }
        tasks[intent.id] = nil
        changes.signal()
    }

    private func attempt(_ what: String, _ intent: TaskIntent, _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            logger.error("\(what)", metadata: ["task": "\(intent.name)", "error": "\(error)"])
        }
    }

    /// Listens to a task's helper until it is gone.
    private func watch(_ id: String) {
        let socket = configuration.helperSocket(of: id)
        let recovery = TaskRecovery(directory: configuration.state(of: id))
        Task {
            while tasks[id]?.machine.visible.hasEnded == false {
                if let helper = try? await HelperWatch.connect(socket, deadline: 5000) {
                    tasks[id]?.helper = helper
                    // A stop that was asked for before the helper was there.
                    if let seconds = tasks[id]?.machine.stop { try? helper.send(.stop(seconds: seconds)) }
                    try? helper.send(.watch)
                    if tasks[id]?.isToStart == true { try? helper.send(.start) }
                    // After the exit the helper takes the control group down; only then is it the agent's turn.
                    for await case .state(let record) in helper.messages { await report(.helper(record), id) }
                    tasks[id]?.helper = nil
                }
                // What is being made for it is finished first, so that it can be taken away.
                while tasks[id]?.machine.visible == .preparing, !recovery.hasHelper {
                    try? await Task.sleep(for: .milliseconds(10))
                }
                // On a busy host a helper may take its time to listen.
                if recovery.hasHelper {
                    try? await Task.sleep(for: .milliseconds(100))
                    continue
                }
                guard tasks[id]?.machine.visible.hasEnded == false else { return }
                await report(recovery.exit.map { .exited($0) } ?? .helperLost, id)
                return
            }
        }
    }

    private func report(_ event: TaskMachine.Event, _ id: String) async {
        do {
            try await handle(event, id)
        } catch {
            logger.error("task", metadata: ["id": "\(id)", "error": "\(error)"])
        }
    }

    private func prepareNetwork(with others: [TaskIntent]? = nil) async throws {
        if let preparation = networkPreparation { return try await preparation.value }
        let network = configuration.network
        let published = (others ?? []).flatMap { task in
            task.ports.compactMap { port in task.networkAddress.map { (port: port, task: $0) } }
        }
        let preparation = Task { try await blocking { try network.prepare(published: published) } }
        networkPreparation = preparation
        do {
            try await preparation.value
        } catch {
            networkPreparation = nil
            throw error
        }
    }

    private func write(_ intent: TaskIntent) async throws {
        let directory = configuration.state(of: intent.id)
        // What is gone after its end need not survive a power cut.
        let durable = !intent.request.removeWhenDone
        try await blocking {
            try Files.makeDirectories(directory, mode: 0o700)
            try StateFile.write(intent, "\(directory)/task.json", durable: durable)
            if durable { try Files.syncDirectory(Files.parent(of: directory)) }
        }
    }

    private func find(_ name: String) throws -> ManagedTask {
        if let task = tasks[name] ?? tasks.values.first(where: { $0.intent.name == name }) { return task }
        let matches = name.utf8.count >= 3 ? tasks.values.filter { $0.intent.id.hasPrefix(name) } : []
        if matches.count > 1 {
            throw AgentError(.invalid, "'\(name)' is the beginning of \(matches.count) tasks' ids; give more digits")
        }
        guard let match = matches.first else { throw Self.unknown(name) }
        return match
    }

    private static func unknown(_ name: String) -> AgentError {
        AgentError(.notFound, "there is no task '\(name)'; see what there is: dish ps")
    }

    private static func refusal(_ error: any Error) -> AgentError {
        switch error {
        case let error as AgentError: error
        case let error as NetworkError: AgentError(error.code == .conflict ? .conflict : .invalid, error.description)
        case let error as PoolError: AgentError(code(of: error), error.description)
        default: AgentError(.failed, "\(error)")
        }
    }

    private static func code(of error: PoolError) -> AgentError.Code {
        switch error.code {
        case .unknownImage, .unknownVolume: .notFound
        case .inUse: .conflict
        default: .invalid
        }
    }

    // MARK: Description

    private func status(of id: String) -> TaskStatus? { tasks[id].map(describe) }

    /// What is told of a task that came and went while a request was under way.
    private func gone(_ intent: TaskIntent) -> TaskStatus {
        describe(ManagedTask(intent: intent, machine: TaskMachine(.alive(nil, stop: nil), removesWhenDone: true)))
    }

    private func describe(_ task: ManagedTask) -> TaskStatus {
        let (intent, machine) = (task.intent, task.machine)
        let exit = machine.exit.map { record in
            switch record.status {
            case .code(let code): TaskStatus.Exit(code: Int(code), signal: nil, outOfMemory: record.outOfMemory, at: record.at)
            case .signal(let signal):
                TaskStatus.Exit(code: nil, signal: Int(signal), outOfMemory: record.outOfMemory, at: record.at)
            }
        }
        let processes = machine.record.map {
            TaskStatus.Processes(
                helper: Int($0.helper.pid), runtime: Int($0.runtime.pid), leader: $0.leader.map { Int($0.pid) })
        }
        return TaskStatus(
            id: intent.id, name: intent.name, image: intent.request.image, layer: intent.layer.hex, pool: intent.pool,
            state: machine.visible, reason: machine.reason, created: intent.created, exit: exit, processes: processes,
            address: intent.address, network: intent.request.network, publish: intent.request.publish,
            volumes: intent.request.volumes,
            command: intent.request.command, limits: intent.request.limits, notEnforced: intent.notEnforced,
            userBase: intent.userBase,
            paths: TaskStatus.Paths(
                root: "\(configuration.pool.directory(ofTask: intent.id))/rootfs", log: launcher.log(of: intent.id),
                helper: configuration.helperSocket(of: intent.id), cgroups: machine.record?.cgroups ?? [],
                state: configuration.state(of: intent.id)))
    }

    /// What can't be read is kept for people to look at, out of the way.
    private func setAside(_ id: String, _ error: any Error) {
        let target = "\(configuration.stateDirectory)/damaged/\(id)"
        try? Files.makeDirectories(Files.parent(of: target), mode: 0o700)
        rename(configuration.state(of: id), target)
        logger.error("a task's state can't be read and is set aside", metadata: ["error": "\(error)", "to": "\(target)"])
    }
}
