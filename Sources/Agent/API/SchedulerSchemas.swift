import AgentAPI

/// The objects about the host's scheduler, and whether the host takes tasks.
extension APIObject {
    static let schedulerStatus = APIObject(
        "SchedulerStatus", "How the host stands to its scheduler.",
        [
            APIField("name", .any, "Where it is.", required: true),
            APIField("state", .word(SchedulerStatus.State.self), "Whether it answers.", required: true),
            APIField("epoch", .count, "The highest that was accepted.", required: true),
            APIField("revision", .count, "The last one in it.", required: true),
            APIField("silence", .count, "Milliseconds since the last heartbeat that was answered."),
            APIField("reason", .any, "What went wrong last."),
            APIField("refusals", .count, "How often answers of lower epochs were refused.", required: true),
            APIField("held", .list(of: .any, atMost: 100_000), "Jobs that are stopped because it is away.", required: true),
        ])

    static let drainRequest = APIObject(
        "DrainRequest", "Lets the host take no new tasks.", sent: true, [APIField("reason", .text(), "Why.")])

    static let drainStatus = APIObject(
        "DrainStatus", "That the host takes no new tasks.",
        [
            APIField("since", .count, "Seconds since 1970.", required: true), APIField("reason", .any, "Why.", required: true),
        ])

    static let heartbeat = APIObject(
        "HostHeartbeat", "What the host tells its scheduler.",
        [
            APIField("format", .count, "The version of this message.", required: true),
            APIField("host", .text(), "Made once for each installation.", required: true),
            APIField("name", .text(), "The host's name.", required: true),
            APIField("boot", .text(), "The kernel's boot id.", required: true),
            APIField("agentStarted", .count, "Milliseconds since 1970.", required: true),
            APIField("sequence", .count, "Of this agent's heartbeats.", required: true),
            APIField("at", .count, "Milliseconds since 1970.", required: true),
            APIField("uptime", .count, "Milliseconds since the host's start.", required: true),
            APIField("epoch", .count, "The highest that was accepted.", required: true),
            APIField("revision", .count, "The last one in it.", required: true),
            APIField("needsAssignments", .boolean, "Whether the answer must say what is assigned.", required: true),
            APIField("isDraining", .boolean, "Whether it takes no new tasks.", required: true),
            APIField("refusals", .count, "How often answers of lower epochs were refused.", required: true),
            APIField("capacity", .object(.hostCapacity), "What it has.", required: true),
            APIField("tasks", .list(of: .object(.heartbeatTask), atMost: 100_000), "All of its tasks.", required: true),
            APIField("jobs", .list(of: .object(.heartbeatJob), atMost: 100_000), "All of its jobs.", required: true),
            APIField("images", .list(of: .object(.heartbeatImage), atMost: 100_000), "Layers with names.", required: true),
            APIField("pool", .object(.heartbeatPool), "Its pool.", required: true),
            APIField(
                "failures", .list(of: .object(.heartbeatFailure), atMost: 100_000), "Assigned jobs that couldn't be applied.",
                required: true),
        ])

    static let heartbeatTask = APIObject(
        "HeartbeatTask", "A task.",
        [
            APIField("id", .text(), "Its id.", required: true), APIField("name", .text(), "Its name.", required: true),
            APIField("state", .word(TaskStatus.State.self), "How it is.", required: true),
            APIField("generation", .count, "The number of its run."), APIField("layer", .text(), "Its image.", required: true),
            APIField("owner", .object(.taskOwner), "The job it belongs to."),
            APIField("exit", .object(.taskExit), "How it ended."),
        ])

    static let heartbeatJob = APIObject(
        "HeartbeatJob", "A job.",
        [
            APIField("name", .text(), "Its name.", required: true), APIField("version", .count, "The target.", required: true),
            APIField("state", .word(JobStatus.State.self), "How it is.", required: true), APIField("reason", .any, "Why."),
            APIField("wanted", .count, "Replicas that shall run.", required: true),
            APIField("ready", .count, "Replicas that are ready.", required: true),
            APIField("updated", .count, "Replicas of the target version.", required: true),
            APIField("isAssigned", .boolean, "Whether the scheduler wants it.", required: true),
        ])

    static let heartbeatImage = APIObject(
        "HeartbeatImage", "A layer that could be run.",
        [
            APIField("layer", .text(), "Its id.", required: true),
            APIField("names", .list(of: .any, atMost: 100_000), "What it is called.", required: true),
        ])

    static let heartbeatPool = APIObject(
        "HeartbeatPool", "The pool.",
        [
            APIField("path", .text(), "Where it is.", required: true),
            APIField("pressure", .object(.poolPressure), "How full it is.", required: true),
            APIField("isWritable", .boolean, "Whether it can be written.", required: true),
        ])

    static let heartbeatFailure = APIObject(
        "HeartbeatFailure", "A job that was assigned and couldn't be applied.",
        [APIField("job", .any, "Its name.", required: true), APIField("reason", .any, "Why.", required: true)])
}
