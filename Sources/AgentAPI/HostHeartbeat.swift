public import Spec

/// What a host tells its scheduler, now and then (docs/heartbeat.md). The answer is a `HeartbeatAnswer`.
public struct HostHeartbeat: Sendable, Codable, Equatable {
    public static let currentFormat = 1

    public struct Task: Sendable, Codable, Equatable {
        public var id: String
        public var name: String
        public var state: TaskStatus.State
        /// The number of its run, from 1.
        public var generation: Int?
        public var layer: String
        /// The job it belongs to; nil for a task of its own.
        public var owner: TaskOwner?
        public var exit: TaskStatus.Exit?

        public init(_ task: TaskStatus) {
            (id, name, state, generation) = (task.id, task.name, task.state, task.generation)
            (layer, owner, exit) = (task.layer, task.owner, task.exit)
        }
    }

    public struct Job: Sendable, Codable, Equatable {
        public var name: String
        public var version: Int
        public var state: JobStatus.State
        public var reason: String?
        public var wanted: Int
        public var ready: Int
        public var updated: Int
        /// Whether it is there because the scheduler said so, rather than somebody on the host.
        public var isAssigned: Bool

        public init(_ job: JobStatus) {
            (name, version, state, reason) = (job.name, job.version, job.state, job.reason)
            (wanted, ready, updated, isAssigned) = (job.wanted, job.ready, job.updated, job.isAssigned ?? false)
        }
    }

    /// A layer of the pool that has names, and could be run without fetching anything.
    public struct Image: Sendable, Codable, Equatable {
        public var layer: String
        public var names: [String]

        public init(layer: String, names: [String]) {
            self.layer = layer
            self.names = names
        }
    }

    public struct Pool: Sendable, Codable, Equatable {
        public var path: String
        public var pressure: PoolPressure
        /// Whether it can be written.
        public var isWritable: Bool

        public init(path: String, pressure: PoolPressure, isWritable: Bool) {
            self.path = path
            self.pressure = pressure
            self.isWritable = isWritable
        }
    }

    /// A job that was assigned and couldn't be applied.
    public struct Failure: Sendable, Codable, Equatable {
        public var job: String
        public var reason: String

        public init(job: String, reason: String) {
            self.job = job
            self.reason = reason
        }
    }

    public var format = Self.currentFormat
    /// Made once for each installation; stays.
    public var host: String
    public var name: String
    /// The kernel's boot id.
    public var boot: String
    /// Milliseconds since 1970.
    public var agentStarted: Int64
    /// Of this agent's heartbeats, from 1.
    public var sequence: UInt64
    /// Milliseconds since 1970.
    public var at: Int64
    /// Milliseconds since the host's start, sleep included.
    public var uptime: Int64
    /// The highest epoch that was accepted, and the last revision in it.
    public var epoch: UInt64
    public var revision: UInt64
    /// Whether the answer must say what is assigned: without that, jobs that are held stay so.
    public var needsAssignments: Bool
    public var isDraining: Bool
    /// How often answers of lower epochs were refused, ever.
    public var refusals: UInt64
    public var capacity: HostCapacity
    public var tasks: [Task]
    public var jobs: [Job]
    public var images: [Image]
    public var pool: Pool
    public var failures: [Failure]

    public init(
        host: String, name: String, boot: String, agentStarted: Int64, sequence: UInt64, at: Int64, uptime: Int64,
        capacity: HostCapacity, pool: Pool
    ) {
        (self.host, self.name, self.boot, self.agentStarted) = (host, name, boot, agentStarted)
        (self.sequence, self.at, self.uptime) = (sequence, at, uptime)
        (epoch, revision, needsAssignments, isDraining, refusals) = (0, 0, false, false, 0)
        (self.capacity, self.pool) = (capacity, pool)
        (tasks, jobs, images, failures) = ([], [], [], [])
    }
}

/// What a scheduler answers to a heartbeat.
public struct HeartbeatAnswer: Sendable, Codable, Equatable {
    public var format: Int
    /// Which scheduler it is; all that speak for one cluster have different ones.
    public var scheduler: String
    /// Grows with each scheduler that takes over; a host obeys none of a lower one.
    public var epoch: UInt64
    /// Grows with each change of what is assigned, within an epoch.
    public var revision: UInt64
    /// Of the heartbeat that it answers.
    public var sequence: UInt64
    /// Seconds until the next heartbeat; nil: as the host likes.
    public var interval: Int?
    /// All jobs that shall run on the host, each with its replicas there; those that aren't named any more go. Nil: as before.
    public var assignments: [JobSpec]?

    public init(
        scheduler: String, epoch: UInt64, revision: UInt64, sequence: UInt64, interval: Int? = nil, assignments: [JobSpec]? = nil
    ) {
        format = HostHeartbeat.currentFormat
        (self.scheduler, self.epoch, self.revision, self.sequence) = (scheduler, epoch, revision, sequence)
        (self.interval, self.assignments) = (interval, assignments)
    }
}

/// How a host stands to its scheduler.
public struct SchedulerStatus: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable, CaseIterable {
        /// It is part of the agent.
        case builtIn
        case connected
        case away
    }

    /// Where it is.
    public var name: String
    public var state: State
    public var epoch: UInt64
    public var revision: UInt64
    /// Milliseconds since the last heartbeat that was answered; nil: none since the host's start.
    public var silence: Int64?
    /// What went wrong last; nil when all is well.
    public var reason: String?
    public var refusals: UInt64
    /// Jobs whose replicas are stopped because it is away.
    public var held: [String]

    public init(name: String, state: State, epoch: UInt64, revision: UInt64, refusals: UInt64) {
        (self.name, self.state, self.epoch, self.revision, self.refusals) = (name, state, epoch, revision, refusals)
        held = []
    }
}

/// What `POST /v1/host/drain` takes.
public struct DrainRequest: Sendable, Codable, Equatable {
    public var reason: String?

    public init(reason: String?) {
        self.reason = reason
    }
}

/// That a host takes no new tasks.
public struct DrainStatus: Sendable, Codable, Equatable {
    /// Seconds since 1970.
    public var since: Int64
    public var reason: String

    public init(since: Int64, reason: String) {
        self.since = since
        self.reason = reason
    }
}
