import AgentAPI
import Btrfs
import CLinux
import Fixtures
import Foundation
import Glibc
import Layers
import Linux
import Testing

/// A host with an agent, a task that others must leave alone, and everything of which the attacks want a piece; and what is looked at
/// afterwards.
final class AttackScene {
    let host: TestHost
    let pool: String
    let agent: TestAgent
    private let canary: String
    private let token = "canary-\(UInt64.random(in: 0 ... .max))"
    private let listeners: HostListeners
    private let neighbour: TaskStatus
    private let victim: (path: String, id: UInt64)
    private let loop: String
    private let before: HostState
    private let agentMemory: Int

    /// An environment variable of whoever runs `dish`.
    static let secret = "DISH_ATTACK_SECRET_\(UInt32.random(in: 0 ... .max))"

    /// Calls with a scene, looks whether all is as it was, and takes it down.
    static func use(_ body: (AttackScene) async throws -> Void) async throws {
        let pool = try await SharedPool.shared.path()
        let host = try TestHost(pool: pool, environment: [secret: "told"])
        try await AttackImage.build(host)
        try await host.withAgent { agent in
            let victim = "\(try Scratch.make("victim"))-\(getpid())"
            let subvolume = "\(pool)/\(Files.name(of: victim))"
            try Subvolume.create(subvolume)
            defer { try? Subvolume.delete(subvolume) }
            let scene = try await AttackScene(host, pool, agent, victim: subvolume)
            try await body(scene)
            try await scene.expectUntouched()
        }
    }

    private init(_ host: TestHost, _ pool: String, _ agent: TestAgent, victim: String) async throws {
        (self.host, self.pool, self.agent) = (host, pool, agent)
        canary = try Scratch.make("canary") + "/canary"
        try Files.replace(canary, with: token.utf8, durable: false)
        listeners = try HostListeners()
        self.victim = (victim, try Subvolume.info(victim).id)
        loop = try Mounts.list().first { $0.path == pool }.map { String($0.source.drop { !$0.isNumber }) } ?? "0"
        let started = try await host.dish(
            "run", "-d", "--name", "neighbour", "--disk", "100M", AttackImage.name, "--", "/bin/sleep", "86399")
        guard started.code == 0 else { throw FixtureError("start the neighbour: \(started)\n\(host.agentLog)") }
        neighbour = try await AttackScene.task("neighbour", host)
        before = try HostState()
        agentMemory = Self.peakMemory(of: agent.pid)
        try await expectDatagramsAreSeen()
    }

    /// What a task sends from its own addresses arrives: what has another's would be seen too.
    private func expectDatagramsAreSeen() async throws {
        let names = neighbour.address6 == nil ? "own_address" : "own_address,own_address_6"
        if neighbour.address6 == nil { print("NOT RUN: forged datagrams of IPv6, which tasks haven't got on this host") }
        let sent = try await host.dish(arguments: ["exec", "neighbour", "--"] + command("only=\(names)"))
        for _ in 0..<100 {
            let seen = listeners.honestDatagrams()
            if seen.ipv4 > 0, seen.ipv6 > 0 || neighbour.address6 == nil { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("of \(names), only \(listeners.honestDatagrams()) arrived: \(sent)")
    }

    static func task(_ name: String, _ host: TestHost) async throws -> TaskStatus {
        try await AgentClient(socket: AgentDefaults.socket(in: host.runtimeDirectory)).task(name)
    }

    /// What the program is told of the host.
    func facts() throws -> [String] {
        let subvolume = try Subvolume.info(neighbour.paths.root).id
        let group = try Filesystem(at: pool).groups(of: .subvolume(subvolume)).first { $0.level == 1 }
        var list = [
            "canary=\(canary)", "token=\(token)", "secret=\(Self.secret)", "pid=\(getpid())", "loop=\(loop)", "root=\(subvolume)",
            "victim=\(victim.id)", "abstract=\(listeners.abstractName)", "service=\(listeners.servicePort)",
            "port=\(listeners.datagramPort)", "agent=\(AgentDefaults.socket(in: host.runtimeDirectory))",
            "gateway=\(host.subnet.replacing(".0/24", with: ".1"))",
        ]
        if let group { list.append("group=\(group.rawValue)") }
        if let address = neighbour.address { list.append("neighbour=\(address)") }
        if let address = neighbour.address6 {
            list += ["neighbour6=\(address)", "gateway6=\(address.split(separator: ":").dropLast().joined(separator: ":"))::1"]
        }
        return list
    }

    func canaryFact() -> String { "canary=\(canary)" }

    /// The program's command line.
    func command(_ more: String...) throws -> [String] { [AttackImage.program] + (try facts()) + more }

    /// The same for a shell.
    func script(_ more: [String] = []) throws -> String {
        ([AttackImage.program] + (try facts()) + more).map { "'\($0)'" }.joined(separator: " ")
    }

    /// What isn't tried, by name: it takes what the host's root needs, or there is nothing that holds it (docs/security.md).
    private static let untried: Set = ["share/instances_of_inotify", "share/memory_beyond_the_limit"]
    /// The same without a user namespace.
    private static let untriedWithHostIDs = untried.union(["share/processes_beyond_the_limit"])

    /// Fails for each attack that reached the host or broke, and when one wasn't tried that should be.
    func expectHeld(_ text: String, _ place: String, of outcome: Outcome? = nil, withHostIDs: Bool = false) {
        let report = AttackReport(text)
        print("\(place): \(report.summary)")
        for line in report.succeeded { Issue.record("\(place): an attack succeeded: \(line)") }
        for line in report.broken { Issue.record("\(place): an attack is broken: \(line)") }
        for line in report.skipped(but: withHostIDs ? Self.untriedWithHostIDs : Self.untried) {
            Issue.record("\(place): an attack wasn't tried: \(line)")
        }
        #expect(
            report.isComplete && report.tried >= 80,
            "\(place): \(report.summary)\n\(outcome.map { "\($0)" } ?? text)\n\(host.agentLog.suffix(2000))")
    }

    // MARK: What is looked at afterwards

    func expectUntouched() async throws {
        #expect(try Files.readText(canary) == token)
        #expect(try Files.list(Files.parent(of: canary)) == ["canary"])
        #expect(try HostState().changes(from: before) == [])
        #expect(!listeners.wereReached(), "a service of the host was reached")
        #expect(listeners.forgedDatagrams() == 0, "a datagram with the source of another task arrived")
        #expect(Subvolume.exists(victim.path), "a subvolume that isn't the task's is gone")

        let now = try await Self.task("neighbour", host)
        #expect(
            now.processes == neighbour.processes && now.state == .running && now.restarts ?? 0 == neighbour.restarts ?? 0,
            "\(now)")
        let lives = try await host.dish("exec", "neighbour", "--", "/bin/echo", "alive")
        #expect(lives.text == "alive", "\(lives)")

        #expect(kill(agent.pid, 0) == 0, "the agent has ended: \(host.agentLog.suffix(2000))")
        var fastest = Duration.seconds(60)
        for _ in 0..<5 where fastest > .seconds(1) {
            fastest = min(fastest, try await ContinuousClock().measure { _ = try await host.dish("ps") })
        }
        #expect(fastest <= .seconds(1), "dish ps takes \(fastest)")
        let growth = Self.peakMemory(of: agent.pid) - agentMemory
        #expect(growth <= 64 << 10, "the agent took \(growth) KiB more")
        for process in Inventory.processes(mentioning: host.runtimeDirectory) where process.command.contains("dish-helper") {
            let memory = Self.peakMemory(of: process.pid)
            #expect(memory <= 64 << 10, "\(process.command) took \(memory) KiB")
        }
    }

    /// The most memory that a process has had, in KiB.
    private static func peakMemory(of pid: pid_t) -> Int {
        let status = (try? Files.readText("/proc/\(pid)/status")) ?? ""
        return status.firstMatch(of: /VmHWM:\s+(\d+)/).flatMap { Int($0.1) } ?? 0
    }
}

/// What the whole machine has, and what no task may change.
struct HostState {
    private let values: [String: String]

    private static let settings = [
        "kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "kernel/sysrq", "kernel/hostname", "kernel/panic",
        "kernel/randomize_va_space", "kernel/poweroff_cmd", "vm/overcommit_memory", "vm/panic_on_oom", "fs/protected_symlinks",
        "fs/suid_dumpable", "kernel/threads-max", "net/ipv4/conf/all/route_localnet", "net/core/somaxconn",
    ]

    init() throws {
        var values: [String: String] = [:]
        for name in Self.settings { values[name] = (try? Files.readText("/proc/sys/\(name)")) ?? "none" }
        values["release_agent"] =
            try Files.list("/sys/fs/cgroup").sorted().map { (try? Files.readText("/sys/fs/cgroup/\($0)/release_agent")) ?? "" }
            .joined()
        values["uevent_helper"] = (try? Files.readText("/sys/kernel/uevent_helper")) ?? "none"
        // Of these there may be more by others; of the attacks there are none.
        values["mounts"] = try Mounts.list().filter { $0.source == "dish-attack" || $0.path.contains("/attack-") }.map(\.path)
            .joined(separator: " ")
        values["links"] = try Files.list("/sys/class/net").filter { $0.hasPrefix("attack") }.joined(separator: " ")
        values["devices"] = try Files.list("/dev").filter { $0.contains("attack") }.joined(separator: " ")
        values["modules"] = ((try? Files.readText("/proc/modules")) ?? "").contains("attack") ? "attack" : ""
        values["routes"] = ((try? Files.readText("/proc/net/route")) ?? "").contains("4E0200C0") ? "192.0.2.78" : ""
        values["processes"] = Inventory.processes(mentioning: "dish-attack-none").map(\.command).joined(separator: " ")
        self.values = values
    }

    func changes(from before: HostState) -> [String] {
        values.filter { before.values[$0.key] != $0.value }.map {
            "\($0.key): '\(before.values[$0.key] ?? "")' became '\($0.value)'"
        }.sorted()
    }
}
