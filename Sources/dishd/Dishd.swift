import Agent
import AgentAPI
import ArgumentParser
import CLinux
import Dispatch
import Glibc
import Layers
import Linux
import Logging
import Manifest
import Networks
import Runtime
import Spec

/// The agent: one per host. Its tasks outlive it.
@main
struct Dishd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dishd",
        abstract: "Butterdish's agent: runs the tasks of one pool.",
        discussion: """
            Tasks go on when it ends, and the next dishd finds them again.

            Examples:
              dishd
              dishd --pool /srv/pool --subnet 10.77.0.0/16
              dishd --web 9209
              dishd --socket-group dish
              dishd --listen 192.0.2.7:7070 --tls-cert host.pem --tls-key host.key --tls-ca clients.pem
            """,
        version: AgentDefaults.version)

    @Option(help: "The pool's path (default: $DISH_POOL, then the first pool made).")
    var pool: String?
    @Option(help: "What must survive a restart: intents and exits (default: $DISH_STATE_DIR, then /var/lib/dish).")
    var stateDir: String?
    @Option(help: "Sockets (default: $DISH_RUN_DIR, then /run/dish).")
    var runDir: String?
    @Option(help: "The bridge that joins the tasks; two agents of a host need two.")
    var bridge = "dish0"
    @Option(help: "The tasks' addresses; the first is the host's.")
    var subnet = "10.209.0.0/16"
    @Option(help: "Their IPv6 addresses, like fd12:3456:789a:1::/64, 'auto' for a network of this host's own, or 'none'.")
    var subnet6 = "auto"
    @Option(help: "Path of dish-helper (default: beside dishd).")
    var helper: String?
    @Option(help: "Memory that is the system's, like 1G (default: a tenth, from 256M to 4G).")
    var reserveMemory: String?
    @Option(help: "CPUs that are the system's, like 0.5 (default: a twentieth, at least 0.1).")
    var reserveCpu: Double?
    @Option(help: "Limits of memory of burstable tasks may add up to so many times what there is for tasks.")
    var overcommit = 2.0
    @Option(help: "Seconds that a new replica must have been ready for to count in an update, where its job doesn't say.")
    var minReady = 5
    @Option(help: "Of how many removed tasks the logs are kept.")
    var logsCount = 200
    @Option(help: "For how many days.")
    var logsDays = 7
    @Option(help: "How many MiB of them, the oldest going first.")
    var logsSize = 2048
    @Option(help: "Serve the web page and /metrics there, for reading only: PORT of this host, ADDRESS:PORT.")
    var web: String?
    @Option(help: "A name that browsers may call this host by, beside its own and its addresses; may be repeated.")
    var webName: [String] = []
    @OptionGroup var packages: PackageOptions
    @OptionGroup var scheduler: SchedulerOptions
    @OptionGroup var clients: AccessOptions
    @Flag(help: "Log what people rarely want to know.")
    var verbose = false

    static func main() {
        runMain {
            await main(nil)
            return 0
        }
    }

    func validate() throws {
        for (name, number) in [("--logs-count", logsCount), ("--logs-days", logsDays), ("--logs-size", logsSize)] {
            guard (0...1_000_000).contains(number) else { throw ValidationError("\(name) must be a number from 0 to 1000000.") }
        }
        if !(0...86400).contains(minReady) { throw ValidationError("--min-ready must be a number of seconds from 0 to 86400.") }
        if IPv4Subnet(subnet) == nil {
            throw ValidationError("--subnet '\(subnet)' is not an IPv4 network from /8 to /29, like 10.209.0.0/16.")
        }
        if let web, WebAddress(web) == nil {
            throw ValidationError("--web '\(web)' is not a port or an address with one, like 9209 or 10.0.0.5:9209.")
        }
        if !["auto", "none"].contains(subnet6), IPv6Subnet(subnet6) == nil {
            throw ValidationError("--subnet6 '\(subnet6)' is not an IPv6 network from /16 to /96, like fd12:3456:789a:1::/64.")
        }
        if let reserveMemory, ByteCount(reserveMemory) == nil {
            throw ValidationError("--reserve-memory '\(reserveMemory)' is not a size, like 512M or 2G.")
        }
        if let reserveCpu, !(reserveCpu >= 0 && reserveCpu <= 100_000) {
            throw ValidationError("--reserve-cpu must be a number of CPUs, like 0.5.")
        }
        if !(overcommit >= 1 && overcommit <= 1000) { throw ValidationError("--overcommit must be a number from 1, like 1.5.") }
    }

    private func resources() -> ResourcePolicy {
        var policy = ResourcePolicy()
        policy.reserveCPU = reserveCpu.map { UInt64(($0 * 1000).rounded()) }
        policy.reserveMemory = reserveMemory.flatMap { ByteCount($0)?.bytes }
        policy.overcommit = overcommit
        return policy
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        raiseDescriptorLimit()
        dish_share_arenas()
        var logger = Logger(label: "dishd") { _ in StandardErrorLog() }
        logger.logLevel = verbose ? .debug : .info
        guard geteuid() == 0 else { throw StartError("dishd needs root: it makes snapshots, networks and containers") }
        let state = Files.absolute(stateDir ?? variable("DISH_STATE_DIR") ?? AgentDefaults.stateDirectory)
        let run = Files.absolute(runDir ?? variable("DISH_RUN_DIR") ?? AgentDefaults.runtimeDirectory)
        try Files.makeDirectories(state, mode: 0o700)
        try Files.makeDirectories("\(run)/tasks", mode: 0o700)
        // A group that may use the agent's socket comes no further than that.
        chmod("\(run)/tasks", 0o700)
        let path = AgentDefaults.socket(in: run)
        let socket = APISocket(path: path, group: try clients.group(), given: try socketFromSystemd(at: path))
        do {
            try await serve(socket, state, run, logger)
        } catch {
            socket.refuseWaiting("the agent is not up: \(error)")
            guard error is NoPool else { throw error }
            logger.error("\(error)")
            // EX_CONFIG of sysexits.h, after which the agent's unit doesn't try again.
            throw ExitCode(78)
        }
    }

    private func serve(_ socket: APISocket, _ state: String, _ run: String, _ logger: Logger) async throws {
        let tls = try clients.listener()
        // Held until the process ends.
        guard let lock = try FileLock.acquire("\(state)/dishd.lock") else {
            throw StartError("another dishd already uses '\(state)'; stop it, or give this one another --state-dir")
        }
        let registry = PoolRegistry(stateDirectory: state)
        let pool = try registry.open(poolPath(registry))
        guard let subnet = IPv4Subnet(subnet) else { return }
        var configuration = try AgentConfiguration(
            pool: pool, stateDirectory: state, runtimeDirectory: run,
            network: TaskNetwork(bridge: bridge, subnet: subnet, subnet6: ipv6(state, logger), namespaces: "\(run)/netns"),
            helper: try helperPath)
        // What can't be shared with another agent: that would find no task of its own, and end or overwrite what it finds.
        guard let runLock = try FileLock.acquire("\(run)/dishd.lock") else {
            throw StartError("another dishd already uses '\(run)'; stop it, or give this one another --run-dir")
        }
        let poolClaim = try HostClaim(configuration)
        let bridgeClaim = try HostClaim(bridgeOf: configuration)
        if let hindrance = configuration.hindrance { logger.error("\(hindrance)") }
        configuration.resources = resources()
        (configuration.logRetention.count, configuration.logRetention.seconds) = (logsCount, Int64(logsDays) * 86400)
        configuration.logRetention.bytes = UInt64(logsSize) << 20
        configuration.packages = packages.policy
        configuration.minReady = minReady
        let tasks = TaskManager(configuration, runtime: Nspawn(), logger: logger)
        let missing = await MissingEvents(tasks.events)
        try await tasks.recover(missing)
        let images = PackageManager(configuration, events: tasks.events, logger: logger)
        let jobs = JobManager(configuration, tasks: tasks, packages: images, logger: logger)
        try await jobs.recover(missing)
        // After the jobs have said what they count on.
        await images.recover()
        // Before jobs are looked after: some may have to wait.
        let drain = HostDrain(configuration, tasks: tasks, jobs: jobs, logger: logger)
        await drain.recover(missing)
        let heartbeat = SchedulerHeartbeat(
            configuration, scheduler: scheduler.scheduler, interval: scheduler.interval, tasks: tasks, jobs: jobs,
            packages: images,
            drain: drain, logger: logger)
        try await heartbeat.recover()
        let status = AgentStatus(version: AgentDefaults.version, pid: Int(getpid()), pool: pool.path)
        let server = AgentServer(
            socket: socket, tls: tls, status: status, tasks: tasks, jobs: jobs, packages: images, heartbeat: heartbeat,
            drain: drain,
            logger: logger)
        let signals = watchSignals(tasks, jobs, logger)
        let ready = logger
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.run {
                    ready.info("ready", metadata: ["pool": "\(pool.path)", "socket": "\(socket.path)"])
                    notifySystemd("READY=1")
                }
            }
            if let web = web.flatMap({ WebAddress($0) }) {
                if !web.isLoopback {
                    logger.warning("whoever reaches \(web) can read what tasks do and say, without a password")
                }
                group.addTask { [webName] in
                    do {
                        try await server.serve(web: web, names: webName)
                    } catch {
                        throw StartError("serve the web page at \(web): \(error); give --web another address, or leave it out")
                    }
                }
            }
            group.addTask {
                await jobs.run()
                // It ends with the agent only.
                try await Task.sleep(for: .seconds(3600))
            }
            // Whoever can tell of all tasks and jobs isn't stuck.
            group.addTask { try await Watchdog.run { _ = await jobs.list() } }
            group.addTask {
                while true {
                    await tasks.watchLimits()
                    try await Task.sleep(for: .seconds(5))
                }
            }
            group.addTask {
                // Not while those that waited for an agent are served.
                try await Task.sleep(for: .seconds(3))
                while true {
                    await tasks.housekeeping()
                    // What a burst of starts or an adoption took isn't needed while nothing happens, nor is the code of it: what is
                    // called again comes from the page cache.
                    dish_trim_heap()
                    dish_unmap_code()
                    try await Task.sleep(for: .seconds(30))
                }
            }
            group.addTask { try await images.run() }
            group.addTask { try await heartbeat.run() }
            let volumes = VolumeManager(pool: pool, logger: ready)
            group.addTask { try await volumes.run() }
            let monitor = PoolMonitor(pool: pool, registry: registry, events: tasks.events, logger: ready)
            group.addTask { try await monitor.run() }
            let layers = LayerWatch(pool: pool, registry: registry, events: tasks.events, logger: ready)
            group.addTask { try await layers.run() }
            try await group.next()
            group.cancelAll()
        }
        withExtendedLifetime(signals) {}
        _ = consume lock
        _ = consume runLock
        _ = consume poolClaim
        _ = consume bridgeClaim
    }

    private func poolPath(_ registry: PoolRegistry) throws -> String {
        if let named = pool ?? variable("DISH_POOL") { return named }
        if try registry.entries().isEmpty { throw NoPool() }
        return try registry.defaultPath()
    }

    /// The tasks' IPv6 network; nil where there is none.
    private func ipv6(_ state: String, _ logger: Logger) throws -> IPv6Subnet? {
        guard subnet6 != "none" else { return nil }
        if let obstacle = IPv6Support.obstacle() {
            logger.info("tasks have IPv4 only", metadata: ["why": "\(obstacle)"])
            return nil
        }
        // No other host has it, nor another agent of this one.
        let seed = ContentHash.bytes(Array(try HostIdentity.read(stateDirectory: state).utf8))
        return IPv6Subnet(subnet6) ?? IPv6Subnet(local: seed)
    }

    private var helperPath: String {
        get throws { try helper.map { Files.absolute($0) } ?? "\(Files.parent(of: Executable.current()))/dish-helper" }
    }

    /// SIGTERM and SIGINT end the agent as a crash would, but for what is just under way.
    private func watchSignals(_ tasks: TaskManager, _ jobs: JobManager, _ logger: Logger) -> [any DispatchSourceSignal] {
        [SIGTERM, SIGINT].map { (number: CInt) in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                Task {
                    logger.info("shutting down; tasks go on")
                    await jobs.shutDown()
                    await tasks.shutDown()
                    Glibc.exit(0)
                }
            }
            source.resume()
            return source
        }
    }
}

/// There is no pool on this host yet.
private struct NoPool: Error, CustomStringConvertible {
    let description = "there is no pool yet; make one, then start the agent: dish pool create /var/lib/dish/pool --size 20G"
}

/// A reason not to start.
struct StartError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Each task and each connection takes a descriptor: as many as the host allows may be open, within reason.
private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    let wanted = min(limit.rlim_max, 65536)
    guard wanted > limit.rlim_cur else { return }
    limit.rlim_cur = wanted
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

private func variable(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}
