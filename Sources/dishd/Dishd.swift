import Agent
import AgentAPI
import ArgumentParser
import Dispatch
import Glibc
import Layers
import Linux
import Logging
import Networks
import Runtime

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
    @Option(help: "Path of dish-helper (default: beside dishd).")
    var helper: String?
    @Flag(help: "Log what people rarely want to know.")
    var verbose = false

    static func main() {
        runMain {
            await main(nil)
            return 0
        }
    }

    func validate() throws {
        if IPv4Subnet(subnet) == nil {
            throw ValidationError("--subnet '\(subnet)' is not an IPv4 network from /8 to /29, like 10.209.0.0/16.")
        }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        var logger = Logger(label: "dishd") { _ in StandardErrorLog() }
        logger.logLevel = verbose ? .debug : .info
        guard geteuid() == 0 else { throw StartError("dishd needs root: it makes snapshots, networks and containers") }
        let state = Files.absolute(stateDir ?? variable("DISH_STATE_DIR") ?? AgentDefaults.stateDirectory)
        let run = Files.absolute(runDir ?? variable("DISH_RUN_DIR") ?? AgentDefaults.runtimeDirectory)
        try Files.makeDirectories(state, mode: 0o700)
        try Files.makeDirectories(run, mode: 0o700)
        // Held until the process ends.
        guard let lock = try FileLock.acquire("\(state)/dishd.lock") else {
            throw StartError("another dishd already uses '\(state)'; stop it, or give this one another --state-dir")
        }
        let registry = PoolRegistry(stateDirectory: state)
        let pool = try registry.open(pool ?? variable("DISH_POOL") ?? registry.defaultPath())
        guard let subnet = IPv4Subnet(subnet) else { return }
        let configuration = try AgentConfiguration(
            pool: pool, stateDirectory: state, runtimeDirectory: run,
            network: TaskNetwork(bridge: bridge, subnet: subnet), helper: helperPath())
        let tasks = TaskManager(configuration, runtime: Nspawn(), logger: logger)
        try await tasks.recover()
        let jobs = JobManager(configuration, tasks: tasks, logger: logger)
        try await jobs.recover()
        let status = AgentStatus(version: AgentDefaults.version, pid: Int(getpid()), pool: pool.path)
        let socket = AgentDefaults.socket(in: run)
        let server = AgentServer(socket: socket, status: status, tasks: tasks, jobs: jobs, logger: logger)
        let signals = watchSignals(tasks, jobs, logger)
        let ready = logger
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.run {
                    ready.info("ready", metadata: ["pool": "\(pool.path)", "socket": "\(socket)"])
                    notifySystemd("READY=1")
                }
            }
            group.addTask {
                await jobs.run()
                // It ends with the agent only.
                try await Task.sleep(for: .seconds(3600))
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: .seconds(30))
                    await tasks.housekeeping()
                }
            }
            try await group.next()
            group.cancelAll()
        }
        withExtendedLifetime(signals) {}
        _ = consume lock
    }

    private func helperPath() throws -> String {
        let path = try helper.map { Files.absolute($0) } ?? "\(Files.parent(of: Executable.current()))/dish-helper"
        guard access(path, X_OK) == 0 else {
            throw StartError("there is no program '\(path)'; install dish-helper beside dishd, or say where it is: --helper PATH")
        }
        return path
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

/// A reason not to start.
struct StartError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

private func variable(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}
