public import Linux

/// What a helper is told: its command line. The program's environment is the helper's own.
public struct HelperSpec: Sendable, Equatable {
    /// The task's id.
    public var id: String
    /// Which run of the task it is for, from 1.
    public var generation = 1
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

    /// The file with the number of the run that shall be, which the agent writes before it starts a helper for it. Without
    /// it that is the first.
    public static func generationFile(in stateDirectory: String) -> String { "\(stateDirectory)/generation" }

    /// Whether this run is still the one that shall be.
    public var isCurrent: Bool {
        let text = try? Files.readText(Self.generationFile(in: stateDirectory))
        return (text.flatMap { Int($0.prefix { !$0.isWhitespace }) } ?? 1) == generation
    }

    /// The arguments after the helper's name.
    public var arguments: [String] {
        var list = [
            "--id=\(id)", "--generation=\(generation)", "--state=\(stateDirectory)", "--run=\(runtimeDirectory)", "--log=\(log)",
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

    /// The reverse of `arguments`; nil when something is missing, unknown or no number: a limit that is misread would
    /// be no limit.
    public init?(arguments: [String]) {
        guard let end = arguments.firstIndex(of: "--"), end + 1 < arguments.count else { return nil }
        self.init(id: "", stateDirectory: "", runtimeDirectory: "", log: "", program: Array(arguments[(end + 1)...]))
        for argument in arguments[..<end] {
            let equals = argument.utf8.firstIndex(of: UInt8(ascii: "=")) ?? argument.endIndex
            guard set(String(argument[..<equals]), to: String(argument[equals...].utf8.dropFirst()) ?? "") else { return nil }
        }
        guard [id, stateDirectory, runtimeDirectory, log].allSatisfy({ !$0.isEmpty }) else { return nil }
    }

    private mutating func set(_ name: String, to value: String) -> Bool {
        switch name {
        case "--id": id = value
        case "--state": stateDirectory = value
        case "--run": runtimeDirectory = value
        case "--log": log = value
        case "--network": networkNamespace = value
        case "--terminal": terminal = true
        case "--input": input = true
        case "--wait": waitsForClient = true
        case "--boot": boots = true
        case "--not-durable": durable = false
        case "--generation": return Self.read(value, into: &generation)
        case "--log-size": return Self.read(value, into: &logSize)
        case "--log-files": return Self.read(value, into: &logFiles)
        case "--cpu": return Self.read(value, into: &cpu)
        case "--memory": return Self.read(value, into: &memory)
        case "--stop-signal":
            guard let number = Int32(value), (1...64).contains(number) else { return false }
            stopSignal = number
        case "--pids": return Self.read(value, into: &pids)
        default: return false
        }
        return true
    }

    private static func read(_ text: String, into number: inout Int) -> Bool {
        guard let value = Int(text), value >= 0 else { return false }
        number = value
        return true
    }

    private static func read(_ text: String, into number: inout UInt64?) -> Bool {
        number = UInt64(text)
        return number != nil
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
