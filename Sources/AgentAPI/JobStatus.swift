public import Spec

/// What the agent tells of a job.
public struct JobStatus: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable, CaseIterable {
        /// Nothing can start before another job is there.
        case waiting
        /// The target version is on its way in.
        case updating
        /// As it was asked to be.
        case running
        /// The target version was healthy, and not all replicas are ready now.
        case degraded
        /// The target version wasn't ready in time; it is tried on.
        case failed
        case stopping, stopped, removing
    }

    public struct Replica: Sendable, Codable, Equatable {
        /// The task's name.
        public var name: String
        /// The version that it was made from.
        public var version: Int
        public var state: TaskStatus.State
        public var isReady: Bool
        /// Whether it has left the ports and is about to be stopped.
        public var isLeaving: Bool
        public var reason: String?
        /// The task's id; nil while it is being made.
        public var id: String?
        public var address: String?

        public init(
            name: String, version: Int, state: TaskStatus.State, isReady: Bool, isLeaving: Bool, reason: String?, id: String?,
            address: String?
        ) {
            self.name = name
            self.version = version
            self.state = state
            self.isReady = isReady
            self.isLeaving = isLeaving
            self.reason = reason
            self.id = id
            self.address = address
        }
    }

    public var name: String
    /// The target version.
    public var version: Int
    public var state: State
    public var reason: String?
    /// How many replicas there shall be.
    public var wanted: Int
    /// Ready replicas of any version.
    public var ready: Int
    /// Ready replicas of the target version.
    public var updated: Int
    /// Which batch of an update is on its way, from 1; nil when there is none.
    public var batch: Int?
    public var batches: Int?
    public var replicas: [Replica]
    public var spec: JobSpec
    /// Whether the host's scheduler assigned it, rather than somebody having applied it here; nil from agents that know of none.
    public var isAssigned: Bool?

    public init(
        name: String, version: Int, state: State, reason: String?, wanted: Int, ready: Int, updated: Int, batch: Int?,
        batches: Int?, replicas: [Replica], spec: JobSpec
    ) {
        self.name = name
        self.version = version
        self.state = state
        self.reason = reason
        self.wanted = wanted
        self.ready = ready
        self.updated = updated
        self.batch = batch
        self.batches = batches
        self.replicas = replicas
        self.spec = spec
    }
}
