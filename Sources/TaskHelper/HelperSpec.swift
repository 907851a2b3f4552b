public import Cgroups
import Glibc
public import Linux
import Spec

/// What a helper is told, in a file that only root can read: command lines are everybody's. The program's environment is the helper's own.
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
    public var limits = CgroupLimits()
    /// What the container's processes have for `oom_score_adj` (proc(5)).
    public var oomScore = 0
    /// What the program finds in `mountDirectory`.
    public var mounts: [HelperMount] = []
    /// Directories of the host that are empty for the program, but for `files`: their absolute paths.
    public var privateDirectories: [String] = []
    /// Files in those directories, by their absolute paths.
    public var files: [String: String] = [:]
    /// The file `start` in `mountDirectory`; nil for none.
    public var start: StartProgram?
    /// The host's id of the container's root: 0 without a user namespace.
    public var userBase: UInt32 = 0
    /// The directory `credentials` in `mountDirectory`: files of the host whose content it has, by their names there. They belong to
    /// the user that the program becomes.
    public var credentials: [String: String] = [:]
    /// Filters of system calls (`Spawn.filters`) that hold the program and all that it starts.
    public var filters: [[UInt8]] = []
    /// Whether the program may not run where devices can't be limited by control group: without a user namespace `nodev` can be
    /// taken off again.
    public var requiresDevicePolicy = false
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

    /// The host's user that the program runs as.
    public var programUser: UInt32 { userBase + (start?.identity?.user ?? 0) }

    /// The directory of `mounts`, `start`, `end` and `credentials`: in memory, in the mount namespace of the program alone.
    public var mountDirectory: String { "\(runtimeDirectory)/mounts" }

    /// The path of one of `mounts`, or of `start`, `end`, `credentials`.
    public func path(ofMount name: String) -> String { "\(mountDirectory)/\(name)" }

    /// Where a helper finds this.
    public var file: String { "\(runtimeDirectory)/spec-\(generation)" }

    /// Writes the file.
    ///
    /// - Throws: `SystemError` with `EINVAL` where something has a NUL byte, at which one argument ends.
    public func write() throws(SystemError) {
        let arguments = arguments
        if arguments.contains(where: { $0.utf8.contains(0) }) {
            throw SystemError("pass text with a NUL byte to the helper of task", id, code: EINVAL)
        }
        try Files.makeDirectories(runtimeDirectory, mode: 0o700)
        try Files.replace(file, with: Array(arguments.joined(separator: "\0").utf8), mode: 0o600, durable: false)
    }

    /// Takes what a file says; nil when it isn't there, or is none.
    public init?(file: String) {
        guard let bytes = try? Files.read(file) else { return nil }
        let arguments = bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        self.init(arguments: arguments)
    }

    /// Its text, an option or a word of the program each.
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
        if oomScore != 0 { list.append("--oom-score=\(oomScore)") }
        if requiresDevicePolicy { list.append("--device-policy") }
        list += mounts.flatMap(\.arguments)
        list += privateDirectories.map { "--private=\($0)" }
        for (path, content) in files.sorted(by: { $0.key < $1.key }) { list += ["--file=\(path)", "--content=\(content)"] }
        list += start?.options ?? []
        if userBase != 0 { list.append("--user-base=\(userBase)") }
        for (name, path) in credentials.sorted(by: { $0.key < $1.key }) {
            list += ["--credential=\(name)", "--credential-file=\(path)"]
        }
        list += filters.map { "--filter=\(Self.hexadecimal($0))" }
        list += limits.settings.map { "--\($0.name)=\($0.value)" }
        return list + ["--"] + program
    }

    /// The reverse of `arguments`; nil when something is missing, unknown or no number: a limit that is misread would
    /// be no limit.
    public init?(arguments: [String]) {
        guard let end = arguments.firstIndex(of: "--"), end + 1 < arguments.count else { return nil }
        self.init(id: "", stateDirectory: "", runtimeDirectory: "", log: "", program: Array(arguments[(end + 1)...]))
        var file: String?
        var credential: String?
        for argument in arguments[..<end] {
            let equals = argument.utf8.firstIndex(of: UInt8(ascii: "=")) ?? argument.endIndex
            let (name, value) = (String(argument[..<equals]), String(argument[equals...].utf8.dropFirst()) ?? "")
            if name == "--file" {
                file = value
            } else if name == "--content" {
                guard let path = file else { return nil }
                files[path] = value
                file = nil
            } else if name == "--credential" {
                credential = value
            } else if name == "--credential-file" {
                guard let name = credential else { return nil }
                credentials[name] = value
                credential = nil
            } else {
                guard set(name, to: value) else { return nil }
            }
        }
        guard file == nil, credential == nil, [id, stateDirectory, runtimeDirectory, log].allSatisfy({ !$0.isEmpty }) else {
            return nil
        }
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
        case "--device-policy": requiresDevicePolicy = true
        case "--user-base": return Self.read(value, into: &userBase)
        case "--private": privateDirectories.append(value)
        case "--filter":
            guard let filter = Self.bytes(hexadecimal: value) else { return false }
            filters.append(filter)
        case "--mount": mounts.append(HelperMount(value, base: ""))
        case "--generation": return Self.read(value, into: &generation)
        case "--log-size": return Self.read(value, into: &logSize)
        case "--log-files": return Self.read(value, into: &logFiles)
        case "--oom-score":
            guard let score = Int(value), (-1000...1000).contains(score) else { return false }
            oomScore = score
        case "--stop-signal":
            guard let number = Int32(value), (1...64).contains(number) else { return false }
            stopSignal = number
        default:
            if name.hasPrefix("--mount-") { return !mounts.isEmpty && mounts[mounts.count - 1].set(name, to: value) }
            if name.hasPrefix("--start") { return StartProgram.set(&start, name, to: value) }
            return name.hasPrefix("--") && limits.set(String(name.dropFirst(2)), to: value)
        }
        return true
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }

    private static func read<Number: FixedWidthInteger>(_ text: String, into number: inout Number) -> Bool {
        guard let value = Number(text), value >= 0 else { return false }
        number = value
        return true
    }

    /// How to start it so that it outlives its starter; `write` comes before.
    ///
    /// - Parameters:
    ///   - helper: the path of `dish-helper`.
    ///   - inUnit: whether systemd is process 1: the helper gets a transient unit of its own.
    public func spawn(helper: String, environment: [String: String], inUnit: Bool) -> Spawn {
        guard inUnit, let systemdRun = Executable.find("systemd-run") else {
            var spawn = Spawn(helper, [file], environment: environment)
            spawn.newSession = true
            spawn.detached = true
            return spawn
        }
        let settings = [
            "--quiet", "--collect", "--service-type=exec", "--unit=dish-\(id).service", "--slice=dish.slice",
            "--description=Butterdish task \(id)", "--property=Delegate=yes", "--property=KillMode=mixed",
            "--property=TasksMax=infinity", "--property=OOMPolicy=continue", "--property=TimeoutStopSec=100",
        ]
        let shares = Self.unitProperties(limits).map { "--property=\($0)" }
        let variables = environment.sorted { $0.key < $1.key }.map { "--setenv=\($0.key)=\($0.value)" }
        return Spawn(systemdRun, settings + shares + variables + ["--"] + [helper, file].map(Self.literal))
    }

    /// What of the limits is the unit's: systemd has the group that stands beside those of other tasks, and would overwrite
    /// what others write there.
    ///
    /// - Parameter everything: whether what has its default is said too, of a unit that had something else.
    public static func unitProperties(_ limits: CgroupLimits, everything: Bool = false) -> [String] {
        let settings: [(name: String, value: UInt64?)] = [
            ("CPUWeight", limits.limits.cpuWeight), ("IOWeight", limits.limits.ioWeight),
            ("MemoryMin", limits.limits.memoryMin.flatMap { $0 > 0 ? $0 : nil }),
            ("MemoryLow", limits.limits.memoryLow.flatMap { $0 > 0 ? $0 : nil }),
        ]
        return settings.compactMap { name, value in
            if let value { return "\(name)=\(value)" }
            return everything ? "\(name)=\(name.hasPrefix("Memory") ? "0" : "")" : nil
        }
    }

    /// An argument as systemd takes it for what it is: it would put variables in for `$` (systemd.service(5), "Command lines").
    static func literal(_ argument: String) -> String {
        argument.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
    }
}
