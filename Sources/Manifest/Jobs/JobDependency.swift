/// An entry of the key `depends_on` of a job.
public struct JobDependency: Sendable, Equatable {
    public var job: Located<String>
    /// `started` or `ready`.
    public var condition: String

    static let schema = MappingSchema(
        "a dependency", title: "depends_on", shorthand: "job",
        [
            KeySchema("job", .text(.jobName), required: true, "The other job's name."),
            KeySchema(
                "condition", .text(.word(["started", "ready"])), default: "`ready`",
                "Whether all its replicas must be ready, or only run."),
        ])

    init(_ mapping: CheckedMapping) {
        job = mapping.located("job") ?? Located("", at: mapping.place)
        condition = mapping.text("condition") ?? "ready"
    }
}
