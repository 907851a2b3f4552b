import Spec

/// The language of job files: what one may hold. A job is its own settings and those of its task, side by side.
enum JobLanguage {
    static let file = MappingSchema(
        "the file", title: "The file",
        [KeySchema("jobs", .list(of: .mapping(job)), required: true, "Jobs.")])

    static let job = MappingSchema(
        "a job", title: "jobs",
        [KeySchema(ofJob("name")), KeySchema(ofTask("image")), KeySchema(ofJob("pull")), KeySchema(ofJob("replicas"))]
            + taskFields.filter { $0.name.json != "image" }.map { KeySchema($0) } + [
                KeySchema("stop", .mapping(stop), "How a replica is ended."), KeySchema(ofJob("update")),
                KeySchema(ofJob("dependsOn")),
                KeySchema(
                    "without_scheduler", .wordOrMapping("keep", withoutScheduler), default: "`keep`",
                    "What becomes of the replicas while the host's scheduler is away."),
            ])

    /// What of a task isn't the agent's to give, or the key `stop`.
    static let taskFields = TaskRequest.table.fields.filter { field in
        ![
            "name", "pool", "stopSignal", "terminal", "interactive", "attach", "removeWhenDone", "owner", "secretValues",
        ].contains(field.name.json)
    }

    /// What of a job has a key of the same name.
    static let jobFields = ["name", "pull", "replicas", "update", "dependsOn"].map(ofJob)

    /// Fields with the names that they have under the key `stop`.
    static let stopFields: [(name: String, field: FieldDescription)] = [
        ("drain", ofJob("drain")), ("timeout", ofJob("stopTimeout")),
    ]
    static let stopSignal: (name: String, field: FieldDescription) = ("signal", ofTask("stopSignal"))
    static let stopAfter: (name: String, field: FieldDescription) = ("stop_after", ofJob("stopWithoutScheduler"))

    private static let stop = MappingSchema(
        "'stop'", title: "stop", (stopFields + [stopSignal]).map { KeySchema($0.field, name: $0.name) })

    private static let withoutScheduler = MappingSchema(
        "'without_scheduler'", title: "without_scheduler", [KeySchema(stopAfter.field, name: stopAfter.name, required: true)])

    private static func ofJob(_ name: String) -> FieldDescription { JobSpec.table.field(name)! }
    private static func ofTask(_ name: String) -> FieldDescription { TaskRequest.table.field(name)! }
}
