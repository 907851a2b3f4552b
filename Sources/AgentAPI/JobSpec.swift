/// What `PUT /v1/jobs/NAME` takes: a job as it shall be (docs/jobs.md).
public struct JobSpec: Sendable, Codable, Equatable {
    /// How a new version comes.
    public struct Update: Sendable, Codable, Equatable {
        public enum Order: String, Sendable, Codable, CaseIterable {
            case startFirst = "start-first"
            case stopFirst = "stop-first"
        }

        /// How many replicas are replaced at a time.
        public var batch = 1
        public var order = Order.startFirst
        /// Seconds that the replicas of a batch may take to be ready.
        public var deadline = 120
        /// Whether the job goes back to the last healthy version when they take longer.
        public var rollback = true
        /// Seconds between two batches.
        public var pause = 0
        /// Seconds that a new replica must have been ready for before it counts; nil: as the agent is told, 5 by default.
        public var minReady: Int?

        public init() {}
    }

    /// A job that must be there before a replica starts.
    public struct Dependency: Sendable, Codable, Equatable {
        public enum Condition: String, Sendable, Codable, CaseIterable {
            /// All its replicas run, or are done.
            case started
            /// All its replicas are ready.
            case ready
        }

        public var job: String
        public var condition: Condition

        public init(job: String, condition: Condition = .ready) {
            self.job = job
            self.condition = condition
        }
    }

    /// Letters, digits and dashes, 56 at most.
    public var name: String
    public var replicas = 1
    /// What each replica is made from; its name and owner are the agent's to give, its published ports are the job's.
    public var task: TaskRequest
    /// Seconds that a replica may take to end before it is killed.
    public var stopTimeout: UInt32 = 10
    /// Seconds that a replica which an update ends runs on after it has left the ports and names.
    public var drain = 2
    public var update = Update()
    public var dependsOn: [Dependency] = []
    /// Seconds without a scheduler after which the replicas are stopped; nil: they run on.
    public var stopWithoutScheduler: Int?
    /// When the image, if it is a registry's, is fetched as the job is applied.
    public var pull = ImagePullPolicy.missing

    public init(name: String, task: TaskRequest) {
        self.name = name
        self.task = task
    }
}

extension JobSpec {
    /// What is left out has its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name), task: try values.decode(TaskRequest.self, forKey: .task))
        replicas = try values.decodeIfPresent(Int.self, forKey: .replicas) ?? replicas
        stopTimeout = try values.decodeIfPresent(UInt32.self, forKey: .stopTimeout) ?? stopTimeout
        drain = try values.decodeIfPresent(Int.self, forKey: .drain) ?? drain
        update = try values.decodeIfPresent(Update.self, forKey: .update) ?? update
        dependsOn = try values.decodeIfPresent([Dependency].self, forKey: .dependsOn) ?? dependsOn
        stopWithoutScheduler = try values.decodeIfPresent(Int.self, forKey: .stopWithoutScheduler)
        pull = try values.decodeIfPresent(ImagePullPolicy.self, forKey: .pull) ?? pull
    }
}

extension JobSpec.Update {
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        batch = try values.decodeIfPresent(Int.self, forKey: .batch) ?? batch
        order = try values.decodeIfPresent(Order.self, forKey: .order) ?? order
        deadline = try values.decodeIfPresent(Int.self, forKey: .deadline) ?? deadline
        rollback = try values.decodeIfPresent(Bool.self, forKey: .rollback) ?? rollback
        pause = try values.decodeIfPresent(Int.self, forKey: .pause) ?? pause
        minReady = try values.decodeIfPresent(Int.self, forKey: .minReady)
    }
}

extension JobSpec.Dependency {
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            job: try values.decode(String.self, forKey: .job),
            condition: try values.decodeIfPresent(Condition.self, forKey: .condition) ?? .ready)
    }
}
