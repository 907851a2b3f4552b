public import Cgroups
import Glibc
import Linux

/// What a helper is told, in a file that only root can read: command lines are everybody's. The program's environment is the helper's own.
public struct HelperSpec: Sendable, Equatable {
    /// The task's id.
    public var id: String
    /// The task's name, by which people find the helper among processes.
    public var name: String
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

    public init(
        id: String, name: String, stateDirectory: String, runtimeDirectory: String, log: String, program: [String]
    ) {
        self.id = id
        self.name = name
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
}
