/// The job a task is a replica of.
public struct TaskOwner: Sendable, Codable, Equatable {
    public var job: String
    /// The version of the job's specification that it was made from.
    public var version: Int
    /// From 0.
    public var replica: Int

    public init(job: String, version: Int, replica: Int) {
        self.job = job
        self.version = version
        self.replica = replica
    }
}
