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
                KeySchema("stop", .mapping(stop), "Stopping of replicas."), KeySchema(ofJob("update")),
                KeySchema(ofJob("dependsOn")),
                KeySchema(
                    "without_scheduler", .wordOrMapping("keep", withoutScheduler), default: "`keep`",
                    "Replicas while the host's scheduler is away."),
            ])

    /// The fields of a task that have a key of their own.
    static let taskFields = TaskRequest.table.fields.filter { field in
        ![
            "name", "pool", "stopSignal", "terminal", "interactive", "attach", "removeWhenDone", "owner", "secretValues",
        ].contains(field.name.json)
    }

    /// The fields of a job that have a key of the same name.
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
