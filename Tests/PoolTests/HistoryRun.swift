import AgentAPI
import Fixtures
import Glibc
import Layers
import Linux
import Spec
import Synchronization

/// One run of a history, on a pool and a host of its own, and what is wrong after it.
final class HistoryRun: Sendable {
    let history: History
    let pool: String
    let host: TestHost
    /// A small file system of its own.
    let state: String
    let model = HistoryModel()
    let agent = Mutex<TestAgent?>(nil)
    /// Actions that weren't answered yet.
    let underWay = Mutex<Set<String>>([])
    let damages = Mutex(0)
    /// Jobs whose file was damaged: what becomes of them is not what was asked for.
    let lostJobs = Mutex<Set<String>>([])
    private let killCount = Mutex(0)
    private let eventLines = Mutex("")

    private init(_ history: History, pool: String) throws {
        (self.history, self.pool) = (history, pool)
        state = try Scratch.make("history")
        // The agent's log stays where there is room.
        host = try TestHost(pool: pool, environment: ["DISH_STATE_DIR": state])
    }

    var kills: Int { killCount.withLock { $0 } }
    func noteKill() { killCount.withLock { $0 += 1 } }

    struct Outcome {
        let failures: [String]
        /// The answers.
        let summary: String
        let log: String
    }

    /// Runs a history and takes down what it made.
    static func run(_ history: History) async throws -> Outcome {
        try await BusyboxPool.with { pool in
            let run = try HistoryRun(history, pool: pool.path)
            try Mounts.mount("none", on: run.state, type: "tmpfs", data: "size=16m")
            do {
                try await run.whole()
            } catch {
                run.model.fail("\(error)")
            }
            run.noteEvents()
            run.takeDown()
            let model = run.model
            let log =
                model.failures.isEmpty && getenv("DISH_HISTORY_LOG") == nil
                ? "" : "\(model.log)\nevents:\n\(run.events)\nthe agents' log:\n\(run.host.agentLog.suffix(20_000))"
            return Outcome(failures: model.failures, summary: model.summary, log: log)
        }
    }

    private func whole() async throws {
        try await startAgent()
        // Makes the network and all that stays.
        _ = try await host.dish("run", "--rm", "//:box", "--", "/bin/sleep", "0")
        let things = try await everything()
        let descriptors = try descriptors()
        try await turmoil()
        model.mark("all clients have ended")
        try await startAgentIfGone()
        await converge("after the history")
        model.mark("converged")
        try await checkEvents()
        // Acknowledged changes outlive the agent, and its next start touches nothing.
        let before = try await host.client.tasks().filter { $0.state == .running || $0.state.hasEnded }
        let processes = before.map(Self.line).sorted()
        try await replaceAgent(after: 0) {}
        await converge("after the next start of the agent")
        model.mark("converged under another agent")
        // Those that were about to start again may have done so.
        let later = try await host.client.tasks().filter { task in before.contains { $0.id == task.id } }.map(Self.line).sorted()
        if later != processes { model.fail("another start of the agent changed \(processes) to \(later)") }
        try await checkEvents()
        try await removeAll()
        model.mark("all is removed")
        try await checkLeftovers(things, descriptors)
    }

    private static func line(_ task: TaskStatus) -> String { "\(task.name) \(task.state) \(task.processes?.leader ?? 0)" }

    /// What is in the events' files, before the state goes.
    private func noteEvents() {
        let files = ((try? Files.list("\(state)/events")) ?? []).sorted { $0.count > $1.count || $0.count == $1.count && $0 > $1 }
        eventLines.withLock { $0 = files.map { (try? Files.readText("\(state)/events/\($0)")) ?? "" }.joined() }
    }

    private var events: String { eventLines.withLock { $0 } }

    // MARK: The agent

    /// Starts an agent; where it can't come up, as with a state that is full, another one, as a service manager does.
    func startAgent() async throws {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            do {
                let next = try await host.startAgent()
                return agent.withLock { $0 = next }
            } catch {
                guard ContinuousClock.now < end else { throw error }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func startAgentIfGone() async throws {
        let isThere = agent.withLock { $0.map { kill($0.pid, 0) == 0 } } ?? false
        if !isThere { try await startAgent() }
    }

    private func turmoil() async throws {
        let start = ContinuousClock.now
        let length = history.steps.map(\.time).max() ?? 0
        let watchdog = Task {
            // All that waits has an end; this is for what hasn't.
            try await Task.sleep(for: .milliseconds(length) + .seconds(400))
            model.fail("never answered: \(underWay.withLock { $0.sorted().joined(separator: ", ") })")
            agent.withLock { $0 }?.kill()
        }
        defer { watchdog.cancel() }
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<History.lanes {
                let steps = history.steps.filter { $0.lane == lane }.sorted { $0.time < $1.time }
                group.addTask {
                    for step in steps {
                        try? await Task.sleep(until: start + .milliseconds(step.time))
                        await self.perform(step.action)
                    }
                }
            }
        }
    }

    // MARK: What must be

    /// Waits until everything is as somebody asked for.
    private func converge(_ when: String) async {
        var objections = ["?"]
        for _ in 0..<600 where !objections.isEmpty {
            do {
                objections = try await self.objections()
            } catch {
                objections = ["\(error)"]
            }
            if !objections.isEmpty { try? await Task.sleep(for: .milliseconds(200)) }
        }
        for objection in objections { model.fail("\(when): \(objection)") }
    }

    private func objections() async throws -> [String] {
        var result: [String] = []
        func check(_ register: String, _ value: String, _ initial: String = "absent") {
            if let objection = model.objection(to: value, of: register, initial: initial) { result.append(objection) }
        }
        let tasks = try await host.client.tasks()
        for name in History.tasks {
            guard let task = tasks.first(where: { $0.name == name }) else {
                check(name, "absent")
                continue
            }
            check(name, task.state.hasEnded ? "stopped" : task.state == .running ? "running" : task.state.rawValue)
            check("\(name) disk", "\((task.limits.disk ?? 0) >> 20)", "50")
            let copies = Inventory.processes(mentioning: "/bin/sleep \(Self.program(name)) ").count {
                $0.command.hasPrefix("/bin/sleep")
            }
            if copies != (task.state == .running ? 1 : 0) { result.append("\(name) is \(task.state) and runs \(copies) times") }
            let snapshots = try await host.client.snapshots(name).map(\.name)
            for snapshot in history.snapshots(of: name) {
                check("\(name)@\(snapshot)", snapshots.contains(snapshot) ? "yes" : "no", "no")
            }
        }
        let drained = try await host.client.host().drain != nil
        check("drain", drained ? "yes" : "no", "no")
        result += try await jobObjections(tasks, drained, check)
        let secrets = try await host.client.secrets()
        for name in History.secrets { check(name, secrets.first { $0.name == name }.map { "\($0.size) bytes" } ?? "absent") }
        let pool = try Pool(at: pool)
        let names = try pool.allNames()
        for name in History.names { check(name, names[name] == nil ? "absent" : "there") }
        let volumes = try await host.dish("volume", "ls", "--json").output
        for name in History.volumes {
            let isThere = volumes.contains("\"\(name)\"")
            check(name, isThere ? "there" : "absent")
            guard isThere else { continue }
            let snapshots = try pool.snapshots(of: name).map(\.name)
            for snapshot in history.snapshots(of: name) {
                check("\(name)@\(snapshot)", snapshots.contains(snapshot) ? "yes" : "no", "no")
            }
        }
        return result
    }

    private func jobObjections(
        _ tasks: [TaskStatus], _ isDrained: Bool, _ check: (String, String, String) -> Void
    ) async throws -> [String] {
        var result: [String] = []
        let jobs = try await host.client.jobs()
        for name in History.jobs where !lostJobs.withLock({ $0.contains(name) }) {
            let replicas = tasks.filter { $0.owner?.job == name }
            guard let job = jobs.first(where: { $0.name == name }) else {
                check(name, "absent", "absent")
                if !replicas.isEmpty { result.append("the job \(name) is absent and has \(replicas.count) tasks") }
                continue
            }
            switch job.state {
            case .stopped:
                check(name, "stopped", "absent")
                if !replicas.isEmpty { result.append("the job \(name) is stopped and has \(replicas.count) tasks") }
            case .stopping, .removing, .updating,
                .waiting where !isDrained:
                result.append("the job \(name) is \(job.state): \(job.reason ?? "")")
            default:
                check(name, "\(job.spec.replicas) of version \(job.spec.task.environment["VERSION"] ?? "")", "absent")
                let running = replicas.count { $0.state == .running }
                // A version that a fault kept from being ready in time has failed, and says so.
                guard !isDrained, job.state != .failed else { continue }
                if running != job.spec.replicas || replicas.count != running {
                    result.append(
                        "the job \(name) is to have \(job.spec.replicas) replicas and has \(running) of \(replicas.count) running"
                    )
                }
            }
        }
        return result
    }

    private func checkEvents() async throws {
        let events = try await host.events()
        let first = events.first?.sequence ?? 1
        let expected = Array(first..<first + UInt64(events.count))
        if let gap = zip(events.map(\.sequence), expected).first(where: { $0 != $1 }) {
            model.fail("the event after \(gap.1 - 1) has the number \(gap.0)")
        }
        for wanted in model.expectedEvents {
            let own = events.filter { $0.kind == wanted.kind && (wanted.name.isEmpty || $0.name == wanted.name) }
            // A removal ends what a job runs, and nobody takes it back: whoever asks for a stop then has it.
            let enough = wanted.what == "stopped" ? ["stopped", "removed"] : [wanted.what]
            // One that could not be written while its agent lived is recorded by the next.
            let isThere = own.contains { event in
                guard enough.contains(event.what), event.time >= wanted.times.lowerBound else { return false }
                return event.time <= wanted.times.upperBound || event.reason.hasPrefix("by an earlier agent")
            }
            if isThere { continue }
            // Who asks for what is so already, or joins another's request for it, has no event of his own.
            guard History.resting.contains(wanted.what), let words = History.lasting[wanted.kind] else {
                model.fail("\(wanted.action) was acknowledged, and there is no event '\(wanted.what)' of \(wanted.name)")
                continue
            }
            let last = own.last { words.contains($0.what) && $0.time < wanted.times.lowerBound }?.what
            if enough.contains(last ?? "undrained") { continue }
            model.fail("\(wanted.action) was acknowledged, and there is no event '\(wanted.what)' of \(wanted.name)")
        }
    }
}
