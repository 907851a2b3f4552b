import Spec

/// The language of job files: what one may hold.
enum JobLanguage {
    static let file = MappingSchema(
        "the file", title: "The file",
        [KeySchema("jobs", .list(of: .mapping(job)), required: true, "Jobs.")])

    static let job = MappingSchema(
        "a job", title: "jobs",
        [
            KeySchema("name", .text(.jobName), required: true, "Its name; its replicas are called `NAME-1`, `NAME-2`, …"),
            KeySchema(
                "image", .text(.imageName), required: true,
                "A label, a name or a layer id, as `dish run` has it, or an image of a registry, as `HOST/NAME:TAG`."),
            KeySchema(
                "pull", .text(.word(["missing", "always", "never"])), default: "`missing`",
                "When an image of a registry is fetched as the job is applied: if the pool hasn't got it, in any case, or never."),
            KeySchema("replicas", .integer(0...1000), default: "1", "How many tasks of it run."),
            KeySchema(
                "command", .list(of: .text(.any)), default: "the image's init or command",
                "What runs, program and arguments."),
            KeySchema("environment", .table(.variable), default: "none", "Environment variables."),
            KeySchema("user", .text(.account), default: "the image's", "The user that the command runs as."),
            KeySchema("directory", .text(.path), default: "the image's", "The directory that the command starts in."),
            KeySchema(
                "network", .text(.word(["private", "host", "none"])), default: "`private`",
                "An address of its own, the host's interfaces, or nothing but loopback."),
            KeySchema(
                "publish", .list(of: .text(.publishedPort)), default: "none",
                "Ports of the host that lead to the ready replicas in turn, as `HOST:TASK`, perhaps with an address before and `/udp` behind."
            ),
            KeySchema(
                "volumes", .list(of: .text(.volumeMount)), default: "none",
                "Volumes and where the replicas see them, as `NAME:/path`, with `:ro` behind for reading only."),
            KeySchema(
                "allow_mounts", .list(of: .text(.path)), default: "none",
                "Paths of the host that the image may mount, with what is below them."),
            KeySchema(
                "secrets", .list(of: .text(.secretUse)), default: "none",
                "Secrets of the host (`dish secret create`) that the replicas see as credentials, as `NAME` or `CREDENTIAL=NAME`."
            ),
            KeySchema("limits", .mapping(MappingSchema(Limits.self, "'limits'", title: "limits")), default: "none", "What each replica may use."),
            KeySchema(
                "class", .text(.word(["guaranteed", "burstable", "best-effort"])), default: "`burstable`",
                "How a replica stands to other tasks when something runs short."),
            KeySchema(
                "best_effort", .boolean, default: "`false`",
                "Whether limits that the host can't enforce are left out instead of refused."),
            KeySchema(
                "user_namespace", .boolean, default: "`true`", "Whether each replica has a range of user ids of its own."),
            KeySchema(
                "security", .text(.word(["default", "confined", "system"])), default: "`default`",
                "What a replica may ask of the kernel: what a program of one purpose needs (a booted image: what its init needs), nothing, or what an init needs for a command too."
            ),
            KeySchema(
                "capabilities", .mapping(JobCapabilities.schema), default: "none",
                "Capabilities beside that, and those of it that a replica hasn't."),
            KeySchema(
                "restart", .mapping(JobRestart.schema), default: "`always`", "Whether a replica that ended is started again."),
            KeySchema("health", .list(of: .mapping(JobHealthCheck.schema)), default: "none", "How a replica is seen to be well."),
            KeySchema("stop", .mapping(JobStop.schema), default: "", "How a replica is ended."),
            KeySchema("update", .mapping(JobUpdate.schema), default: "", "How a new version comes."),
            KeySchema(
                "depends_on", .list(of: .mapping(JobDependency.schema)), default: "none",
                "Jobs that must be there before a replica starts."),
            KeySchema(
                "without_scheduler", .wordOrMapping("keep", withoutScheduler), default: "`keep`",
                "What becomes of the replicas while the host's scheduler is away."),
        ])

    private static let withoutScheduler = MappingSchema(
        "'without_scheduler'", title: "without_scheduler",
        [
            KeySchema(
                "stop_after", .text(.duration), required: true,
                "They are stopped when it has been away for so long, and started when it is back.")
        ])
}
