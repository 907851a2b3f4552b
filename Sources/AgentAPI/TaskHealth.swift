/// The results of a task's health checks since its start.
public struct TaskHealth: Sendable, Codable, Equatable {
    /// True if its startup checks have succeeded, or it has none.
    public var started: Bool
    /// False once a liveness check has failed.
    public var live: Bool
    /// True if its readiness checks succeed; without any, if it has started.
    public var ready: Bool
    /// The message of the last check that failed.
    public var reason: String?

    public init(started: Bool, live: Bool, ready: Bool, reason: String? = nil) {
        self.started = started
        self.live = live
        self.ready = ready
        self.reason = reason
    }
}
