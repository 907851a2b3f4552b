import AgentAPI

/// The objects that the web page needs and nobody else asks for.
extension APIObject {
    static let poolMap = APIObject(
        "PoolMap", "What uses how much of the pool, and what stands on what; in bytes.",
        [
            APIField("path", .text(), "Where it is.", required: true), APIField("total", .count, "All.", required: true),
            APIField("available", .count, "What is left.", required: true),
            APIField("dataUsed", .count, "Files.", required: true),
            APIField("metadataUsed", .count, "What the file system needs for itself.", required: true),
            APIField("quotas", .boolean, "Whether it tells who uses what.", required: true),
            APIField("layers", .list(of: .object(.poolMapLayer), atMost: 100_000), "Oldest first.", required: true),
            APIField("tasks", .list(of: .object(.poolMapEntry), atMost: 100_000), "Tasks.", required: true),
            APIField("volumes", .list(of: .object(.poolMapEntry), atMost: 100_000), "Volumes.", required: true),
            APIField(
                "others", .list(of: .object(.poolMapOther), atMost: 100), "What none of them is billed for; not without quotas."),
        ])

    static let poolMapOther = APIObject(
        "PoolMapOther", "What no layer, task or volume is billed for.",
        [
            APIField("kind", .text(), "What it is.", required: true), APIField("bytes", .count, "How much.", required: true),
        ])

    static let poolMapLayer = APIObject(
        "PoolMapLayer", "A layer.",
        [
            APIField("id", .text(), "Its id.", required: true), APIField("parent", .any, "What it was built on."),
            APIField("label", .any, "The target that it was first built for.", required: true),
            APIField("names", .list(of: .any, atMost: 100_000), "What it is called now.", required: true),
            APIField("created", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("entries", .count, "Files of all types.", required: true),
            APIField("size", .count, "Of all regular files.", required: true), APIField("own", .count, "What it is billed for."),
        ])

    static let poolMapEntry = APIObject(
        "PoolMapEntry", "A task or a volume.",
        [
            APIField("name", .any, "Its name.", required: true), APIField("id", .any, "Its id.", required: true),
            APIField("own", .count, "What it is billed for."), APIField("limit", .count, "The most that may become."),
            APIField("layer", .any, "What a task stands on."),
        ])

    static let jobReplicas = APIObject(
        "JobReplicas", "How a job is, without what it is made from.",
        [
            APIField("name", .text(), "Its name.", required: true),
            APIField("state", .word(JobStatus.State.self), "How it is.", required: true), APIField("reason", .any, "Why."),
            APIField("version", .count, "The target version.", required: true),
            APIField("wanted", .count, "Replicas that shall run.", required: true),
            APIField("ready", .count, "Replicas that are ready.", required: true),
            APIField("updated", .count, "Replicas of the target version.", required: true),
        ])

    static let consoleLines = APIObject(
        "ConsoleLines", "What a task has written to its console.",
        [
            APIField("cursor", .text(), "Asked with it, the next answer has what came since.", required: true),
            APIField("entries", .list(of: .object(.consoleEntry), atMost: 100_000), "Lines.", required: true),
        ])

    static let consoleEntry = APIObject(
        "ConsoleEntry", "A line.",
        [
            APIField("time", .any, "RFC 3339.", required: true),
            APIField("errors", .boolean, "Whether it came from standard error.", required: true),
            APIField("partial", .boolean, "Whether the line goes on in the next entry.", required: true),
            APIField("text", .any, "As the task wrote it.", required: true),
        ])
}
