public import Layers
public import Networks
import TaskHelper

/// What an agent is told at its start.
public struct AgentConfiguration: Sendable {
    /// The pool whose tasks it runs.
    public var pool: Pool
    /// Intents and exits; outside the pool, so that they can be written when the pool can't.
    public var stateDirectory: String
    /// Sockets.
    public var runtimeDirectory: String
    public var network: TaskNetwork
    /// Absolute path of `dish-helper`.
    public var helper: String
    public var resources = ResourcePolicy()
    /// How long logs of removed tasks are kept.
    public var logRetention = LogRetention()
    public var packages = PackagePolicy()
    /// Seconds that a new replica must have been ready for before an update counts it, where its job doesn't say.
    public var minReady = 5

    /// - Throws: `SocketPathError` when the sockets of tasks would have longer paths than Unix sockets can have.
    public init(
        pool: Pool, stateDirectory: String, runtimeDirectory: String, network: TaskNetwork, helper: String
    ) throws {
        self.pool = pool
        self.stateDirectory = stateDirectory
        self.runtimeDirectory = runtimeDirectory
        self.network = network
        self.helper = helper
        try Self.check(runtimeDirectory: runtimeDirectory)
    }

    static func check(runtimeDirectory: String) throws {
        try PacketSocket.check("\(runtimeDirectory)/tasks/\(String(repeating: "0", count: 12))/helper.sock")
    }

    /// The `/etc/hosts` of tasks.
    var hosts: HostsFile { HostsFile(path: "\(runtimeDirectory)/hosts", network: network) }

    func state(of id: String) -> String { "\(stateDirectory)/tasks/\(id)" }

    func runtime(of id: String) -> String { "\(runtimeDirectory)/tasks/\(id)" }

    /// The socket of a task's helper.
    func helperSocket(of id: String) -> String { "\(runtime(of: id))/helper.sock" }
}
