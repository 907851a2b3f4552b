public import Linux

/// What a helper is told: its command line. The program's environment is the helper's own.
public struct HelperSpec: Sendable, Equatable {
    /// The task's id.
    public var id: String
    /// Where `running` and `exit` go; outside the pool.
    public var stateDirectory: String
    /// Where the socket is.
    public var runtimeDirectory: String
    /// The console log.
    public var log: String
    /// Bytes at which the log is turned over, and how many old ones are kept.
    public var logSize = 10 << 20
    public var logFiles = 3
    /// Whether the program has a terminal instead of pipes.
    public var terminal = false
    /// Whether standard input stays open for clients.
    public var input = false
    /// Whether output waits for the first client.
    public var waitsForClient = false
    /// Whether the program is a container with an init of its own, which is stopped through the runtime.
    public var boots = false
    /// What asks a program that is not such a container to end.
    public var stopSignal: Int32 = 15
    /// Whether the exit must have reached the disk before anybody hears of it.
    public var durable = true
    /// Path of the network namespace the program runs in; nil for the host's.
    public var networkNamespace: String?
    /// Thousandths of a CPU, bytes, processes; nil for no limit.
    public var cpu: UInt64?
    public var memory: UInt64?
    public var pids: UInt64?
    /// Absolute path, then arguments.
    public var program: [String]

    public init(id: String, stateDirectory: String, runtimeDirectory: String, log: String, program: [String]) {
        self.id = id
        self.stateDirectory = stateDirectory
        self.runtimeDirectory = runtimeDirectory
        self.log = log
        self.program = program
    }

    public var socket: String { "\(runtimeDirectory)/helper.sock" }

    /// The arguments after the helper's name.
    public var arguments: [String] {
        var list = [
            "--id=\(id)", "--state=\(stateDirectory)", "--run=\(runtimeDirectory)", "--log=\(log)",
            "--log-size=\(logSize)", "--log-files=\(logFiles)",
        ]
        if terminal { list.append("--terminal") }
        if input { list.append("--input") }
        if waitsForClient { list.append("--wait") }
        if boots { list.append("--boot") }
        if stopSignal != 15 { list.append("--stop-signal=\(stopSignal)") }
        if !durable { list.append("--not-durable") }
        if let networkNamespace { list.append("--network=\(networkNamespace)") }
        for (name, value) in [("cpu", cpu), ("memory", memory), ("pids", pids)] {
            if let value { list.append("--\(name)=\(value)") }
        }
        return list + ["--"] + program
    }

    /// The reverse of `arguments`; nil when something is missing or unknown.
    public init?(arguments: [String]) {
        guard let end = arguments.firstIndex(of: "--"), end + 1 < arguments.count else { return nil }
        var values: [String: String] = [:]
        for argument in arguments[..<end] {
            guard argument.hasPrefix("--") else { return nil }
            let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            values[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
        }
        guard let id = values["id"], let state = values["state"], let run = values["run"], let log = values["log"] else {
            return nil
        }
        self.init(
            id: id, stateDirectory: state, runtimeDirectory: run, log: log, program: Array(arguments[(end + 1)...]))
        logSize = values["log-size"].flatMap { Int($0) } ?? logSize
        logFiles = values["log-files"].flatMap { Int($0) } ?? logFiles
        terminal = values["terminal"] != nil
        input = values["input"] != nil
        waitsForClient = values["wait"] != nil
        boots = values["boot"] != nil
        stopSignal = values["stop-signal"].flatMap { Int32($0) } ?? stopSignal
        durable = values["not-durable"] == nil
        networkNamespace = values["network"]
        cpu = values["cpu"].flatMap { UInt64($0) }
        memory = values["memory"].flatMap { UInt64($0) }
        pids = values["pids"].flatMap { UInt64($0) }
    }

    /// How to start it so that it outlives its starter.
    ///
    /// - Parameters:
    ///   - helper: the path of `dish-helper`.
    ///   - inUnit: whether systemd is process 1: the helper gets a transient unit of its own.
    public func spawn(helper: String, environment: [String: String], inUnit: Bool) -> Spawn {
        guard inUnit, let systemdRun = Executable.find("systemd-run") else {
            var spawn = Spawn(helper, arguments, environment: environment)
            spawn.newSession = true
            spawn.detached = true
            return spawn
        }
        let settings = [
            "--quiet", "--collect", "--service-type=exec", "--unit=dish-\(id).service", "--slice=dish.slice",
            "--description=Butterdish task \(id)", "--property=Delegate=yes", "--property=KillMode=mixed",
            "--property=TasksMax=infinity", "--property=OOMPolicy=continue", "--property=TimeoutStopSec=100",
        ]
        let variables = environment.sorted { $0.key < $1.key }.map { "--setenv=\($0.key)=\($0.value)" }
        return Spawn(systemdRun, settings + variables + ["--", helper] + arguments)
    }
}
