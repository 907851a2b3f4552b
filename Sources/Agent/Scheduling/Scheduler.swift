public import AgentAPI

/// Who decides what runs on this host. The agent tells it how things are, and does what it answers (docs/heartbeat.md).
public protocol Scheduler: Sendable {
    /// For people: where it is.
    var name: String { get }
    /// Whether it is part of the agent: then it is never away.
    var isBuiltIn: Bool { get }

    /// - Throws: whatever kept it from answering.
    func send(_ heartbeat: HostHeartbeat) async throws -> HeartbeatAnswer
}

/// The scheduler of a single host: what people apply here is what shall run here, and stays as it is.
public struct BuiltInScheduler: Scheduler {
    public let name = "built in"
    public let isBuiltIn = true

    public init() {}

    public func send(_ heartbeat: HostHeartbeat) -> HeartbeatAnswer {
        // Nothing assigned beside what is applied: the epoch of an earlier scheduler stays the highest.
        HeartbeatAnswer(scheduler: name, epoch: heartbeat.epoch, revision: heartbeat.revision, sequence: heartbeat.sequence)
    }
}
