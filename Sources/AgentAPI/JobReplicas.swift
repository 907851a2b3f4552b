/// How a job is, without what it is made from: `GET /v1/replicas`. `JobStatus` has the meanings.
public struct JobReplicas: Sendable, Codable, Equatable {
    public var name: String
    public var state: JobStatus.State
    public var reason: String?
    public var version: Int
    public var wanted: Int
    public var ready: Int
    public var updated: Int

    public init(
        name: String, state: JobStatus.State, reason: String?, version: Int, wanted: Int, ready: Int, updated: Int
    ) {
        self.name = name
        self.state = state
        self.reason = reason
        self.version = version
        self.wanted = wanted
        self.ready = ready
        self.updated = updated
    }
}
