/// The desired state of a job: the body of `PUT /v1/jobs/NAME` (docs/jobs.md).
public struct JobSpec: Settings {
    /// The rollout of a new version.
    public struct Update: Settings {
        public enum Order: String, Sendable, Codable, CaseIterable {
            case startFirst = "start-first"
            case stopFirst = "stop-first"
        }

        public var batch = 1
        public var order = Order.startFirst
        /// Seconds, as `pause` and `minReady`.
        public var deadline = 120
        public var rollback = true
        public var pause = 0
        /// Nil: the agent's, 5 by default.
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

    public var name: String
    public var replicas = 1
    /// Template of the replicas. The agent sets name and owner; published ports are the job's.
    public var task: TaskRequest
    /// Seconds, as `drain`.
    public var stopTimeout: UInt32 = 10
    public var drain = 2
    public var update = Update()
    public var dependsOn: [Dependency] = []
    /// Seconds; nil: the replicas run on.
    public var stopWithoutScheduler: Int?
    public var pull = ImagePullPolicy.missing

    public init() { self.init(name: "", task: TaskRequest()) }

    public init(name: String, task: TaskRequest) {
        self.name = name
        self.task = task
    }
}

extension JobSpec {
    public static let name = "JobSpec"
    public static let about = "Desired state of a job."
    public static let fields: [Field<JobSpec>] = [
        .text("name", \.name, .jobName, 1...56, default: "", "Name of the job. Its replicas are called `NAME-1`, `NAME-2`, …")
            .required(),
        .count("replicas", \.replicas, 0...1000, default: "`1`", "Number of replicas."),
        .word(
            "pull", \.pull, default: "`missing`",
            "When to fetch an image of a registry as the job is applied: if the pool lacks it, always, or never."),
        .settings(
            "task", \.task,
            "Template of the replicas. The agent sets name, owner, pool and terminal; secrets are given by name only."
        ).required(),
        .seconds("stopTimeout", \.stopTimeout, 0...86400, default: "`10s`", "Time to end before a replica is killed."),
        .seconds(
            "drain", \.drain, 0...86400, default: "`2s`",
            "Time that a replica replaced by an update runs on after it has left ports and names."),
        .settings("update", \.update, default: "", "Rollout of a new version."),
        .list("dependsOn", \.dependsOn, atMost: 1000, "Jobs that must be up before a replica starts."),
        .seconds(
            "stopWithoutScheduler", \.stopWithoutScheduler, 1...31_536_000, default: "they run on",
            "Time without the host's scheduler after which the replicas are stopped. They are started when it is back."),
    ]
}

extension JobSpec.Update {
    public static let name = "JobUpdate"
    public static let about = "Rollout of a new version."
    public static let fields: [Field<JobSpec.Update>] = [
        .count("batch", \.batch, 1...1000, default: "`1`", "Number of replicas replaced at a time."),
        .word(
            "order", \.order, default: "`start-first`",
            "Order within a batch: start new replicas before stopping old ones, or stop first."),
        .seconds("deadline", \.deadline, 1...86400, default: "`2m`", "Time for the replicas of a batch to become ready."),
        .flag(
            "rollback", \.rollback, default: "`true`",
            "Roll back to the last healthy version if they do not become ready."),
        .seconds("pause", \.pause, 0...86400, default: "none", "Time between two batches."),
        .seconds(
            "minReady", \.minReady, 0...86400, default: "`5s`, or the agent's",
            "Time that a new replica must have been ready, without a restart, to count. It is added to the deadline."),
    ]
}

extension JobSpec.Dependency {
    public static let name = "JobDependency"
    public static let about = "A job that must be up first."
    public static let shorthand: String? = "job"
    public static let fields: [Field<JobSpec.Dependency>] = [
        .text("job", \.job, .jobName, 1...56, default: "", "Name of the other job.").required(),
        .word("condition", \.condition, default: "`ready`", "State of its replicas: all ready, or all started."),
    ]
}
