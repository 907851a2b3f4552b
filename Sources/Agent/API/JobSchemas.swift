import AgentAPI
import Spec

/// The objects about jobs.
extension APIObject {
    static let jobSpec = APIObject(JobSpec.self)
    static let jobUpdate = APIObject(JobSpec.Update.self)
    static let jobDependency = APIObject(JobSpec.Dependency.self)

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
