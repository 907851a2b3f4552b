public import AgentAPI
import Glibc
import Layers
import Linux
import Logging
import Networks
import Spec
import TaskHelper

/// The runs of a task after its first.
extension TaskManager {
    /// Starts a task again that has ended; one that runs already is no error.
    public func startAgain(_ name: String, because: String = "asked for over the API") async throws -> TaskStatus {
        let task = try await readyToStart(name)
        if case .alive = task.machine.state, task.machine.run.wish == .run { return describe(task) }
        try await handle(.start, task.intent.id, because: because)
        return try await started(task, "start", seconds: 60)
    }

    /// Ends a task and starts it again; one that has ended is started.
    ///
    /// - Parameter timeout: seconds until what is left is killed.
    public func restart(
        _ name: String, timeout: UInt32, because: String = "asked for over the API"
    ) async throws -> TaskStatus {
        let task = try await readyToStart(name)
        RunningOperation.current?.note("waits for its end, at most \(timeout) s, and its start")
        try await handle(.restart(seconds: timeout), task.intent.id, because: because)
        return try await started(task, "restart", seconds: Int(timeout) + 60)
    }

    /// Tells whether a task has ended, or is about to, without its first run ever having begun.
    func hasNeverRun(_ id: String) -> Bool {
        guard let task = tasks[id], task.generation == 1, !task.machine.isUnderWay else { return false }
        let recovery = TaskRecovery(directory: configuration.state(of: id), boot: task.intent.boot)
        if case .neverStarted = recovery.event { return true }
        return false
    }

    /// The task, if it may be started.
    private func startable(_ name: String) throws -> ManagedTask {
        guard !isShuttingDown else { throw AgentError(.failed, "the agent is shutting down") }
        let task = try find(name)
        guard task.machine.run.wish != .remove else {
            throw AgentError(.conflict, "the task '\(task.intent.name)' is being removed")
        }
        return task
    }

    /// The task, if it may be started, and has what it needs for that.
    private func readyToStart(_ name: String) async throws -> ManagedTask {
        let task = try startable(name)
        guard task.machine.isAtRest else { return task }
        let (intent, network, pool) = (task.intent, configuration.network, configuration.pool)
        do {
            let host = try await blocking {
                // While it was at rest, another program may have taken them.
                for port in intent.ports { try network.requireAvailable(port) }
                let host = try HostResources.current(pool)
                _ = try host.notEnforced(intent.request)
                return host
            }
            let now = try startable(intent.id)
            if now.machine.isAtRest { try admission(without: intent.id).reserve(now.intent.request, on: host) }
            return now
        } catch {
            throw Self.refusal(error)
        }
    }

    /// Returns once a helper has had a task's run, which may be over by then.
    ///
    /// - Parameter before: the task as it was: a run that was being prepared counts, one that ran doesn't.
    private func started(_ before: ManagedTask, _ what: String, seconds: Int) async throws -> TaskStatus {
        let id = before.intent.id
        let generation = before.machine.state == .preparing ? before.generation - 1 : before.generation
        let deadline = ContinuousClock.now + .seconds(seconds)
        while let task = tasks[id] {
            if task.generation > generation, task.machine.state != .preparing {
                guard task.machine.isAtRest, case .failed(let why) = task.machine.end else { return describe(task) }
                throw AgentError(.failed, "\(what) task '\(task.intent.name)': \(why)")
            }
            // Somebody else wanted it otherwise meanwhile, or its root couldn't be exchanged.
            if task.machine.isAtRest {
                let why = task.machine.run.givenUp ?? "it was stopped meanwhile"
                throw AgentError(.failed, "\(what) task '\(task.intent.name)': \(why)")
            }
            guard ContinuousClock.now < deadline else {
                throw AgentError(
                    .failed,
                    "\(what) task '\(task.intent.name)': it is \(task.machine.visible.rawValue) after \(seconds) s; see: dish events \(task.intent.name)"
                )
            }
            try await changes.wait(until: deadline)
        }
        throw Self.unknown(id)
    }

    // MARK: Actions

    /// Makes what another run needs.
    func prepareAgain(_ id: String) async {
        guard let generation = tasks[id]?.generation else { return }
        busy += 1
        defer { busy -= 1 }
        tasks[id]?.isToStart = false
        do {
            let intent = try await readdressed(id)
            if intent.address != nil { try await prepareNetwork() }
            let file = HelperSpec.generationFile(in: configuration.state(of: id))
            try await blocking { try Files.replace(file, with: "\(generation)\n".utf8, durable: false) }
            watch(id)
            try await launcher.prepare(intent, generation: generation)
            await report(.prepared, id)
        } catch {
            logger.error("start task again", metadata: ["task": "\(tasks[id]?.intent.name ?? id)", "error": "\(error)"])
            await report(HostTrouble.isBehind(error) ? .hindered("\(error)") : .failed("\(error)"), id)
        }
    }

    /// The task's intent, with another address if the agent's network has become another.
    private func readdressed(_ id: String) async throws -> TaskIntent {
        guard var intent = tasks[id]?.intent else { throw Self.unknown(id) }
        guard let address = intent.networkAddress, !configuration.network.subnet.contains(address) else { return intent }
        let others = tasks.values.filter { $0.intent.id != id }.map(\.intent)
        let admission = TaskAdmission(
            configuration: configuration, others: others, reserving: [], lastAddress: lastAddress)
        let new = try admission.address(intent.ports)
        intent.address = new.description
        lastAddress = new
        tasks[id]?.intent = intent
        try await write(intent)
        return intent
    }

    /// What an end leaves to do.
    func settle(_ intent: TaskIntent, _ endsLeftovers: Bool, _ rollback: TaskRun.Rollback?) async throws {
        if endsLeftovers { await attempt("end what is left", intent) { try await launcher.killLeftovers(intent) } }
        await attempt("release the network", intent) { try await launcher.release(intent) }
        if let rollback {
            do {
                try await rollBack(intent, rollback)
            } catch {
                return try await handle(.failed("roll back to \(rollback.target): \(error)"), intent.id)
            }
        }
        try await handle(.settled, intent.id)
    }

    /// Sends a tick at a time of the host's clock.
    func wake(_ id: String, at time: Int64) {
        guard let generation = tasks[id]?.generation else { return }
        Task {
            // Clocks that are slept by needn't be the host's to the millisecond.
            while tasks[id]?.generation == generation, case .waiting = tasks[id]?.machine.state {
                let left = time - HostClock.now
                if left <= 0 { return await report(.tick, id) }
                try? await Task.sleep(for: .milliseconds(left))
            }
        }
    }

    /// Ends a task by force when its helper hasn't by the time that it was given, and some seconds.
    func enforce(_ intent: TaskIntent, within seconds: UInt32) {
        guard let generation = tasks[intent.id]?.generation else { return }
        let launcher = launcher
        Task {
            try? await Task.sleep(for: .seconds(Int64(seconds) + 10))
            guard isUnderWay(intent.id, generation), tasks[intent.id]?.machine.run.stop != nil else { return }
            events.record(
                .task, intent.name, id: intent.id, "killed",
                reason: "its helper had not ended it \(seconds + 10) s after it was told to", isOwnDoing: true)
            await attempt("end a task by force", intent) { try await blocking { try launcher.endByForce(intent) } }
        }
    }

    /// Writes down what shall become of a task, before it does.
    ///
    /// - Throws: `AgentError` `.unwritable` where that can't be. What is to be removed goes nevertheless where there is only no room:
    ///   that makes some.
    func write(_ run: TaskRun, of id: String, for event: TaskMachine.Event) async throws {
        guard let task = tasks[id] else { return }
        await task.writing?.value
        let (path, durable) = ("\(configuration.state(of: id))/run.json", !task.intent.request.removeWhenDone)
        do {
            try await blocking { try StateFile.write(run, path, durable: durable) }
            tasks[id]?.isUnwritten = false
        } catch let error as SystemError {
            if case .remove = event, [ENOSPC, EDQUOT].contains(error.code) { return }
            throw AgentError(of: error, in: "write down what shall become of the task '\(task.intent.name)'")
        }
    }

    /// Writes a task's run down as it is now; earlier writes that are under way come first. What can't be written is tried again.
    func writeRun(_ id: String) async {
        guard let task = tasks[id], !task.isVanishing else { return }
        let before = task.writing
        let path = "\(configuration.state(of: id))/run.json"
        let durable = !task.intent.request.removeWhenDone
        let writing = Task {
            await before?.value
            guard let run = tasks[id]?.machine.run else { return }
            do {
                try await blocking { try StateFile.write(run, path, durable: durable) }
                tasks[id]?.isUnwritten = false
            } catch {
                logger.error("write what shall become of a task", metadata: ["task": "\(task.intent.name)", "error": "\(error)"])
                if tasks[id]?.isUnwritten == false {
                    events.record(.task, task.intent.name, id: id, "not written", reason: "\(error); it is tried again")
                }
                tasks[id]?.isUnwritten = true
                writeLater(id)
            }
        }
        tasks[id]?.writing = writing
        await writing.value
    }

    private func writeLater(_ id: String) {
        Task {
            try? await Task.sleep(for: .seconds(2))
            if tasks[id]?.isUnwritten == true { await writeRun(id) }
        }
    }

    // MARK: Recovery

    /// Takes a task that an earlier agent left.
    func adopt(_ intent: TaskIntent) async {
        let directory = configuration.state(of: intent.id)
        var run = TaskRun()
        do {
            run = try await blocking {
                let path = "\(directory)/run.json"
                return Files.exists(path) ? try StateFile.read(TaskRun.self, path) : TaskRun()
            }
        } catch {
            run = await lostRun(of: intent, error)
        }
        tasks[intent.id] = ManagedTask(
            intent: intent,
            machine: TaskMachine(
                .alive(nil), run: run, policy: intent.request.restart, removesWhenDone: intent.request.removeWhenDone, boot: boot)
        )
    }

    /// Finds out what has become of the tasks that were adopted, and goes on from there.
    func settleRecovered() async throws {
        let recoveries = tasks.mapValues { task in
            TaskRecovery(
                directory: configuration.state(of: task.intent.id), boot: task.machine.run.boot ?? task.intent.boot,
                generation: task.generation)
        }
        var known = recoveries.compactMapValues(\.event)
        // A helper that has just been given the word says so in a moment.
        let deadline = ContinuousClock.now + .seconds(1)
        while known.count < recoveries.count, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
            for (id, recovery) in recoveries where known[id] == nil { known[id] = recovery.event }
        }
        let asked = await askHelpers(of: recoveries.filter { known[$0.key] == nil })
        var alive: [TaskIntent] = []
        var due: [(String, TaskMachine, [TaskMachine.Action])] = []
        for (id, task) in tasks {
            guard let recovery = recoveries[id] else { continue }
            let event = known[id] ?? asked[id].map { .helper($0) } ?? .neverStarted
            let (machine, actions) = TaskMachine.recovered(
                task.machine.run, policy: task.machine.policy, removesWhenDone: task.machine.removesWhenDone, boot: boot,
                running: event.helper ?? recovery.running, event: event, at: HostClock.now)
            due.append((id, task.machine, actions))
            tasks[id]?.machine = machine
            tasks[id]?.because = "the agent was started"
            defer { watchHealth(id) }
            guard event.isAlive else { continue }
            alive.append(task.intent)
            // An agent that didn't leave them may have started it.
            do {
                try launcher.completeEntryFiles(of: task.intent)
            } catch {
                logger.error("entry of a task", metadata: ["task": "\(task.intent.name)", "error": "\(error)"])
            }
        }
        if alive.contains(where: { $0.address != nil }) { try await prepareNetwork(with: alive) }
        for (id, _, _) in due where tasks[id]?.machine.isUnderWay == true { watch(id) }
        events.record(
            .agent, "dishd", "started", reason: "process \(getpid()); \(alive.count) of \(tasks.count) tasks run")
        logger.info("tasks found again", metadata: ["alive": "\(alive.count)", "all": "\(due.count)"])
        // Starts wait for nobody: a task that comes up slowly doesn't keep the agent from answering.
        for (id, before, actions) in due {
            if tasks[id]?.machine.run != before.run { await writeRun(id) }
            guard !actions.isEmpty else { continue }
            busy += 1
            Task {
                do {
                    // What can't be cleaned up for one task, on a pool that turned read-only for instance, must not keep the others.
                    try await follow(before, actions, id)
                } catch {
                    logger.error("task", metadata: ["id": "\(id)", "error": "\(error)"])
                }
                busy -= 1
            }
        }
    }

    // MARK: Events

    /// Notes that somebody enters a task without what holds its own processes.
    func notePrivilegedEntry(_ name: String, because: String) throws {
        let intent = try find(name).intent
        events.record(.task, intent.name, id: intent.id, "entered with privileges", reason: because)
    }

    /// Notes what a change of its state means to people.
    func note(_ before: TaskMachine, _ task: ManagedTask) {
        let (intent, machine) = (task.intent, task.machine)
        func record(_ what: String, _ reason: String) {
            events.record(.task, intent.name, id: intent.id, what, reason: reason, isOwnDoing: true)
        }
        let run = "run \(machine.run.generation)"
        if before.isUnderWay, let end = machine.end {
            if machine.exit?.outOfMemory == true { record("out of memory", "it reached its memory limit") }
            let why = before.run.wish == .run ? "" : "; \(before.run.wish == .replace ? before.run.reason ?? "" : task.because)"
            switch machine.visible {
            case .failed: record("failed", end.description)
            default: record("exited", end.description + why)
            }
        }
        switch (machine.visible, machine.state) {
        case (before.visible, _): break
        case (.preparing, _):
            record("starting", machine.run.history.count > 0 ? "\(run), by its restart policy" : "\(run): \(task.because)")
        case (.running, _): record("running", run)
        case (.stopping, _): record("stopping", machine.run.wish == .replace ? machine.run.reason ?? "" : task.because)
        case (.restarting, .settling(_, .restart(let time))):
            record("restarting", "in \(max(0, time - HostClock.now)) ms, by its restart policy (\(machine.policy.mode.rawValue))")
        default: break
        }
    }
}
