/// The job a task is a replica of.
public struct TaskOwner: Settings {
    public var job = ""
    /// The version of the job's specification that it was made from.
    public var version = 0
    /// From 0.
    public var replica = 0

    public init() {}

    public init(job: String, version: Int, replica: Int) {
        self.job = job
        self.version = version
        self.replica = replica
    }

    public static let name = "TaskOwner"
    public static let about = "Job that a task is a replica of."
    public static let fields: [Field<TaskOwner>] = [
        .text("job", \.job, .any, 1...200, "Name of the job.").required(),
        .count("version", \.version, 0...1_000_000_000, "Version of the job that the task was made from.").required(),
        .count("replica", \.replica, 0...1_000_000, "Number of the replica, from 0.").required(),
    ]
}
