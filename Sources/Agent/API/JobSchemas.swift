import AgentAPI

/// The objects about jobs.
extension APIObject {
    static let jobSpec = APIObject(
        "JobSpec", "A job as it shall be.", sent: true,
        [
            APIField("name", .text(1...200), "Letters, digits and dashes, 56 at most.", required: true),
            APIField("replicas", .integer(0...1000), "How many tasks of it run."),
            APIField("pull", .word(ImagePullPolicy.self), "When its image is fetched from its registry."),
            APIField(
                "task", .object(.taskRequest),
                "What each replica is made from. Name, owner, pool and terminal are the agent's to give; secrets are named, not given.",
                required: true),
            APIField("stopTimeout", .integer(0...86400), "Seconds that a replica may take to end before it is killed."),
            APIField("drain", .integer(0...86400), "Seconds that a replica runs on after it has left the ports and names."),
            APIField("update", .object(.jobUpdate), "How a new version comes."),
            APIField("dependsOn", .list(of: .object(.jobDependency)), "Jobs that must be there before a replica starts."),
            APIField(
                "stopWithoutScheduler", .integer(1...31_536_000),
                "Seconds without a scheduler after which the replicas are stopped; without it they run on."),
        ])

    static let jobUpdate = APIObject(
        "JobUpdate", "How a new version comes.", sent: true,
        [
            APIField("batch", .integer(1...1000), "How many replicas are replaced at a time."),
            APIField("order", .word(JobSpec.Update.Order.self), "Which replicas of a batch go first."),
            APIField("deadline", .integer(1...86400), "Seconds that the replicas of a batch may take to be ready."),
            APIField("rollback", .boolean, "Whether the job goes back when they take longer."),
            APIField("pause", .integer(0...86400), "Seconds between two batches."),
            APIField(
                "minReady", .integer(0...86400),
                "Seconds that a new replica must have been ready for, without a restart, before it counts; without it, what the agent is told."
            ),
        ])

    static let jobDependency = APIObject(
        "JobDependency", "A job that must be there.", sent: true,
        [
            APIField("job", .text(1...200), "Its name.", required: true),
            APIField("condition", .word(JobSpec.Dependency.Condition.self), "What it must have come to."),
        ])

    static let jobStatus = APIObject(
        "JobStatus", "What the agent tells of a job.", sent: true,
        [
            APIField("name", .text(), "Its name.", required: true),
            APIField("isAssigned", .boolean, "Whether the host's scheduler wants it."),
            APIField("version", .count, "The target version.", required: true),
            APIField("state", .word(JobStatus.State.self), "How it is.", required: true),
            APIField("reason", .any, "Why."),
            APIField("wanted", .count, "How many replicas there shall be.", required: true),
            APIField("ready", .count, "Ready replicas of any version.", required: true),
            APIField("updated", .count, "Ready replicas of the target version.", required: true),
            APIField("batch", .count, "Which batch of an update is on its way, from 1."),
            APIField("batches", .count, "Of how many."),
            APIField("replicas", .list(of: .object(.jobReplica), atMost: 100_000), "Each replica.", required: true),
            APIField("spec", .object(.jobSpec), "What was applied.", required: true),
        ])

    static let jobReplica = APIObject(
        "JobReplica", "A replica of a job.", sent: true,
        [
            APIField("name", .text(), "The task's name.", required: true),
            APIField("version", .count, "The version that it was made from.", required: true),
            APIField("state", .word(TaskStatus.State.self), "What its task is doing.", required: true),
            APIField("isReady", .boolean, "Whether it is ready.", required: true),
            APIField("isLeaving", .boolean, "Whether it has left the ports and is about to be stopped.", required: true),
            APIField("reason", .any, "Why it is in this state."),
            APIField("id", .text(), "The task's id; without it: it is being made."),
            APIField("address", .text(), "Its address."),
        ])

    static let jobVersion = APIObject(
        "JobVersion", "A description of a job as it was given once.",
        [
            APIField("number", .count, "From 1.", required: true),
            APIField("spec", .object(.jobSpec), "What it was.", required: true),
            APIField("layer", .text(), "What the image's name stood for.", required: true),
            APIField("created", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("reason", .any, "Why it was made.", required: true),
            APIField("outcome", .word(JobVersion.Outcome.self), "What became of it.", required: true),
            APIField("outcomeReason", .any, "Why it failed."),
            APIField("rollbackOf", .count, "The version that it goes back to."),
            APIField("isAutomatic", .boolean, "Whether the agent went back by itself.", required: true),
        ])

    static let jobChange = APIObject(
        "JobChange", "What applying a job changes.",
        [
            APIField("name", .text(), "Its name.", required: true),
            APIField("kind", .word(JobChange.Kind.self), "What happens.", required: true),
            APIField("version", .count, "The version it has, or would get.", required: true),
            APIField("fields", .list(of: .object(.jobChangeField), atMost: 1_000_000), "What differs.", required: true),
            APIField("replacesReplicas", .boolean, "Whether replicas are replaced, rather than kept.", required: true),
        ])

    static let jobChangeField = APIObject(
        "JobChangeField", "A field that differs.",
        [
            APIField("path", .any, "Like `task.environment.LEVEL`.", required: true),
            APIField("from", .any, "What it was; without it: nothing."),
            APIField("to", .any, "What it becomes; without it: nothing."),
        ])

    static let jobRollbackRequest = APIObject(
        "JobRollbackRequest", "Which version a job goes back to.", sent: true,
        [APIField("version", .integer(1...1_000_000_000), "Without it: the last healthy one before the target.")])
}
