/// What a task's health checks have found since it was started.
public struct TaskHealth: Sendable, Codable, Equatable {
    /// Whether its startup checks have succeeded; true without any.
    public var started: Bool
    /// False once a liveness check has failed.
    public var live: Bool
    /// Whether its readiness checks succeed; without any, whether it has started.
    public var ready: Bool
    /// What the last check that failed said.
    public var reason: String?

    public init(started: Bool, live: Bool, ready: Bool, reason: String? = nil) {
        self.started = started
        self.live = live
        self.ready = ready
        self.reason = reason
    }
}
