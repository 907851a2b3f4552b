/// What `PUT /v1/jobs/NAME` takes: a job as it shall be (docs/jobs.md).
public struct JobSpec: Settings {
    /// How a new version comes.
    public struct Update: Settings {
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
    public struct Dependency: Settings {
        public enum Condition: String, Sendable, Codable, CaseIterable {
            /// All its replicas run, or are done.
            case started
            /// All its replicas are ready.
            case ready
        }

        public var job: String
        public var condition: Condition

        public init() { self.init(job: "") }

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

    public init() { self.init(name: "", task: TaskRequest()) }

    public init(name: String, task: TaskRequest) {
        self.name = name
        self.task = task
    }
}

extension JobSpec {
    public static let name = "JobSpec"
    public static let about = "A job as it shall be."
    public static let fields: [Field<JobSpec>] = [
        .text("name", \.name, .jobName, 1...56, default: "", "Its name; its replicas are called `NAME-1`, `NAME-2`, …")
            .required(),
        .count("replicas", \.replicas, 0...1000, default: "`1`", "How many tasks of it run."),
        .word(
            "pull", \.pull, default: "`missing`",
            "When an image of a registry is fetched as the job is applied: if the pool hasn't got it, in any case, or never."),
        .settings(
            "task", \.task,
            "What each replica is made from. Name, owner, pool and terminal are the agent's to give; secrets are named, not given."
        ).required(),
        .seconds("stopTimeout", \.stopTimeout, 0...86400, default: "`10s`", "How long it may take to end before it is killed."),
        .seconds(
            "drain", \.drain, 0...86400, default: "`2s`",
            "How long a replica that an update ends runs on after it has left the ports and names."),
        .settings("update", \.update, default: "", "How a new version comes."),
        .list("dependsOn", \.dependsOn, atMost: 1000, "Jobs that must be there before a replica starts."),
        .seconds(
            "stopWithoutScheduler", \.stopWithoutScheduler, 1...31_536_000, default: "they run on",
            "How long the host's scheduler must have been away for the replicas to be stopped. They are started when it is back."),
    ]
}

extension JobSpec.Update {
    public static let name = "JobUpdate"
    public static let about = "How a new version comes."
    public static let fields: [Field<JobSpec.Update>] = [
        .count("batch", \.batch, 1...1000, default: "`1`", "How many replicas are replaced at a time."),
        .word(
            "order", \.order, default: "`start-first`",
            "Whether the new replicas of a batch are ready before old ones go, or old ones go first."),
        .seconds("deadline", \.deadline, 1...86400, default: "`2m`", "How long the replicas of a batch may take to be ready."),
        .flag(
            "rollback", \.rollback, default: "`true`",
            "Whether the job goes back to the last healthy version when they take longer."),
        .seconds("pause", \.pause, 0...86400, default: "none", "The wait between two batches."),
        .seconds(
            "minReady", \.minReady, 0...86400, default: "`5s`, or as the agent is told",
            "How long a new replica must have been ready, without a restart, before it counts. It comes on top of the deadline."),
    ]
}

extension JobSpec.Dependency {
    public static let name = "JobDependency"
    public static let about = "A job that must be there."
    public static let shorthand: String? = "job"
    public static let fields: [Field<JobSpec.Dependency>] = [
        .text("job", \.job, .jobName, 1...56, default: "", "The other job's name.").required(),
        .word("condition", \.condition, default: "`ready`", "Whether all its replicas must be ready, or only run."),
    ]
}
