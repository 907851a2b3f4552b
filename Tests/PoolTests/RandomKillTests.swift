import AgentAPI
import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Spec
import Synchronization
import Testing

/// `kill -9` of the agent and of helpers under tasks and jobs (docs/failures.md, "Proof").
@Suite(.requiresRoot, .serialized)
struct RandomKillTests {
    private static func number(_ variable: String, or otherwise: Int) -> Int {
        getenv(variable).flatMap { Int(String(cString: $0)) } ?? otherwise
    }

    /// How many tasks ten kills go over, and for how many seconds there are kills at random.
    private static let count = number("DISH_KILL_TASKS", or: 8)
    private static let seconds = number("DISH_KILL_SECONDS", or: 5)

    @Test func tenKillsOfTheAgentTouchNoTask() async throws {
        try await SmallPool.use(size: "4G") { pool in
            let host = pool.host
            try await host.withAgent { first in
                for number in 0..<Self.count { _ = try await pool.start("t\(number)", "--restart", "always") }
                func states() async throws -> [TaskStatus] { try await host.client.tasks().sorted { $0.name < $1.name } }
                let before = try await states()
                #expect(before.count == Self.count && before.allSatisfy { $0.state == .running && $0.processes?.leader != nil })
                var agent = first
                var longest = Duration.zero
                for _ in 0..<10 {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...200)))
                    agent.kill()
                    let start = ContinuousClock.now
                    agent = try await host.startAgent()
                    longest = max(longest, ContinuousClock.now - start)
                    let now = try await states()
                    #expect(now.map(\.processes) == before.map(\.processes))
                    #expect(now.allSatisfy { $0.state == .running && $0.restarts ?? 0 == 0 })
                }
                let starts = try await host.events().filter { $0.what == "running" }.count
                #expect(starts == Self.count, "a task was started again")
                print("\(Self.count) tasks, 10 kills of the agent: the same processes; it answered within \(longest)")
            }
        }
    }

    enum Victim: String, CaseIterable {
        case agent, helpers, both
    }

    /// One after the other where there is time.
    private static let victims = seconds > 10 ? Victim.allCases : [.both]

    @Test(arguments: victims) func killsAtRandomMomentsLeaveWhatIsWantedAndNothingElse(_ victim: Victim) async throws {
        try await SmallPool.use(size: "4G") { pool in
            try await pool.host.withAgent { agent in try await Turmoil(pool, agent, victim, Self.seconds).run() }
        }
    }
}

/// Tasks and jobs that come, change and go while something is killed.
private final class Turmoil: Sendable {
    private let pool: SmallPool
    private let host: TestHost
    private let agent: Mutex<TestAgent>
    private let victim: RandomKillTests.Victim
    private let seconds: Int
    private let port: UInt16
    private let kills = Mutex(0)
    private let requests = Mutex(0)
    private static let tasks = (0..<4).map { "r\($0)" }
    private static let jobs = ["j0", "j1"]

    init(_ pool: SmallPool, _ agent: TestAgent, _ victim: RandomKillTests.Victim, _ seconds: Int) throws {
        (self.pool, host, self.victim, self.seconds) = (pool, pool.host, victim, seconds)
        self.agent = Mutex(agent)
        port = try FreePort.tcp()
    }

    func run() async throws {
        #expect(try await host.dish("run", "--rm", "//tool:shell", "--", "/bin/true").code == 0)
        let before = try await everything()
        let end = ContinuousClock.now + .seconds(seconds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in Self.tasks { group.addTask { try await self.until(end) { try await self.change(task: name) } } }
            for name in Self.jobs { group.addTask { try await self.until(end) { try await self.change(job: name) } } }
            group.addTask { try await self.until(end) { try await self.look() } }
            if victim != .helpers { group.addTask { try await self.until(end) { try await self.killAgent() } } }
            if victim != .agent { group.addTask { try await self.until(end) { try await self.killHelper() } } }
            try await group.waitForAll()
        }
        print("\(victim.rawValue): \(kills.withLock { $0 }) kills in \(seconds) s under \(requests.withLock { $0 }) requests")
        try await reachTheEnd()
        try await removeAll()
        var left = ["?"]
        // The kernel takes namespaces and deleted subvolumes away a moment later.
        for _ in 0..<150 where !left.isEmpty {
            left = try await everything().filter { !before.contains($0) }
            if !left.isEmpty { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(left == [], "\(host.agentLog.suffix(20000))")
        #expect(((try? Files.list("\(host.stateDirectory)/damaged")) ?? []) == [])
    }

    private func until(_ end: ContinuousClock.Instant, _ body: () async throws -> Void) async throws {
        while ContinuousClock.now < end { try await body() }
    }

    // MARK: What is asked for

    private func dish(_ arguments: String..., input: String = "") async throws -> Outcome {
        requests.withLock { $0 += 1 }
        return try await host.dish(arguments: arguments, input: input)
    }

    private func program(_ name: String) -> String { "/bin/sleep 8630\(name.dropFirst())" }

    private func start(_ name: String) async throws -> Outcome {
        let publish = name == "r0" ? ["--publish", "\(port):80"] : []
        requests.withLock { $0 += 1 }
        return try await host.dish(
            arguments: ["run", "-d", "--name", name, "--restart", "always", "--restart-backoff", "0.1"] + publish
                + ["--disk", "50M", "//tool:shell", "--"] + program(name).split(separator: " ").map(String.init))
    }

    private func change(task name: String) async throws {
        switch Int.random(in: 0..<9) {
        case 0: _ = try await dish("stop", "-t", "0", name)
        case 1: _ = try await dish("restart", "-t", "0", name)
        case 2, 3: _ = try await dish("rm", "--force", name)
        case 4: _ = try await dish("start", name)
        case 5: _ = try await dish("update", name, "--disk", "\(Int.random(in: 40...60))M")
        case 6: _ = try await dish("rollback", name, "--image", "--timeout", "0")
        default: _ = try await start(name)
        }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...100)))
    }

    private func job(_ name: String, replicas: Int, version: Int) -> String {
        """
        jobs:
          - name: \(name)
            image: //tool:shell
            replicas: \(replicas)
            command: [/bin/sleep, "8640\(name.dropFirst())"]
            environment: {VERSION: "\(version)"}
            restart: {mode: always, backoff: 1s}
            stop: {drain: 1s, timeout: 1s}
            update: {deadline: 20s}

        """
    }

    private func change(job name: String) async throws {
        switch Int.random(in: 0..<8) {
        case 0: _ = try await dish("job", "rm", name)
        case 1: _ = try await dish("job", "stop", name)
        case 2: _ = try await dish("job", "rollback", name)
        default:
            let text = job(name, replicas: Int.random(in: 0...3), version: Int.random(in: 0...2))
            _ = try await dish("job", "apply", "-", "--detach", input: text)
        }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...400)))
    }

    // MARK: What is killed

    private func killAgent() async throws {
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...700)))
        agent.withLock { $0 }.kill()
        kills.withLock { $0 += 1 }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...100)))
        let next = try await host.startAgent()
        agent.withLock { $0 = next }
    }

    private func killHelper() async throws {
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...200)))
        guard let helper = helpers().randomElement() else { return }
        Glibc.kill(helper.pid, SIGKILL)
        kills.withLock { $0 += 1 }
    }

    private func helpers() -> [Inventory.Process] {
        Inventory.processes(mentioning: "\(host.runtimeDirectory)/tasks").filter { $0.command.contains("dish-helper ") }
    }

    // MARK: What must hold

    private func copies(_ name: String) -> Int {
        Inventory.processes(mentioning: program(name)).filter { $0.command.hasPrefix(program(name)) }.count
    }

    private func look() async throws {
        for name in Self.tasks {
            let copies = copies(name)
            #expect(copies <= 1, "\(name) runs \(copies) times")
        }
        try await Task.sleep(for: .milliseconds(50))
    }

    /// What there is of tasks, with what the inventory of other tests leaves out.
    private func everything() async throws -> Set<String> {
        let inventory = try Inventory(pool: pool.path, of: host)
        let pool = try Pool(at: pool.path)
        try? pool.removeUnusedQuotaGroups()
        let groups = try pool.filesystem().quotaGroups().filter { $0.level == 1 }.map { "quota group \($0.number)" }
        let rules = try await Command("/usr/sbin/nft", ["--stateless", "list", "table", "ip", host.bridge]).run().text
        return Set(inventory.beyond(.none) + groups + rules.split(separator: "\n").map { "rule \($0)" })
    }

    private func reachTheEnd() async throws {
        for (index, name) in Self.tasks.enumerated() {
            let exists = try await host.dish("inspect", name).code == 0
            if index % 2 == 0 {
                let up = exists ? try await dish("start", name) : try await start(name)
                #expect(up.code == 0, "\(name): \(up)\n\(host.agentLog.suffix(20000))")
            } else {
                #expect(try await dish("rm", "--force", name).code == 0, "\(host.agentLog.suffix(20000))")
            }
        }
        let applied = try await dish("job", "apply", "-", input: job("j0", replicas: 3, version: 9))
        #expect(applied.code == 0, "\(applied)\n\(host.agentLog.suffix(20000))")
        _ = try await dish("job", "rm", "j1")
        for (index, name) in Self.tasks.enumerated() where index % 2 == 0 {
            _ = try await host.wait(for: name) { $0.state == .running }
            // Its program comes a moment after its first process.
            for _ in 0..<100 where copies(name) == 0 { try await Task.sleep(for: .milliseconds(50)) }
            #expect(copies(name) == 1)
        }
        // The last kill may have come after all were up.
        var replicas: [TaskStatus] = []
        for _ in 0..<300 {
            replicas = try await host.client.tasks().filter { $0.owner?.job == "j0" }
            if replicas.count == 3, replicas.allSatisfy({ $0.state == .running }) { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(replicas.count == 3 && replicas.allSatisfy { $0.state == .running }, "\(replicas)")
        #expect(helpers().count == 5)
    }

    private func removeAll() async throws {
        for name in Self.tasks { #expect(try await dish("rm", "--force", name).code == 0) }
        #expect(try await dish("job", "rm", "j0").code == 0)
        #expect(try await host.client.tasks().map(\.name) == [])
        // Of a run that a kill kept from starting there may be a complaint, which is kept.
        for task in try Pool(at: pool.path).removedTasks() { #expect(try await dish("rm", "--purge", task.id).code == 0) }
    }
}
