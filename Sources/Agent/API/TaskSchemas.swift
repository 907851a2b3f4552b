import AgentAPI
import Spec

/// The objects about tasks.
extension APIObject {
    static let taskRequest = APIObject(TaskRequest.self)
    static let taskCapabilities = APIObject(TaskCapabilities.self)
    static let limits = APIObject(Limits.self)
    static let restartPolicy = APIObject(RestartPolicy.self)
    static let healthCheck = APIObject(HealthCheck.self)
    static let httpProbe = APIObject(HTTPProbe.self)
    static let taskOwner = APIObject(TaskOwner.self)

    static let taskStatus = APIObject(
        "TaskStatus", "What the agent tells of a task.",
        [
            APIField("id", .text(), "12 hexadecimal digits.", required: true),
            APIField("name", .text(), "Its name.", required: true),
            APIField("generation", .count, "The number of its run, from 1."),
            APIField("address6", .any, "Its IPv6 address, in a private network."),
            APIField("image", .text(), "As it was asked for.", required: true),
            APIField("layer", .text(), "The image's id.", required: true),
            APIField("pool", .text(), "The pool's path.", required: true),
            APIField("state", .word(TaskStatus.State.self), "What it is doing.", required: true),
            APIField("reason", .any, "Why it is in this state, when that needs saying."),
            APIField("created", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("exit", .object(.taskExit), "How it ended."),
            APIField("processes", .object(.taskProcesses), "Process ids on the host."),
            APIField("address", .text(), "In the agent's network."),
            APIField("network", .word(TaskRequest.Network.self), "As asked for.", required: true),
            APIField("publish", .list(of: .text(), atMost: 100_000), "As asked for.", required: true),
            APIField("volumes", .list(of: .text(), atMost: 100_000), "As asked for."),
            APIField("command", .list(of: .any, atMost: 100_000), "What runs; without it: the image's init."),
            APIField("limits", .object(.limits), "What it may use.", required: true),
            APIField("class", .word(TaskClass.self), "How it stands to others."),
            APIField("notEnforced", .list(of: .any), "Limits that are not enforced, with the reasons.", required: true),
            APIField("userBase", .count, "First host id of its user namespace."),
            APIField("paths", .object(.taskPaths), "Where on the host things of it are.", required: true),
            APIField("restarts", .count, "How often its policy has started it since somebody last asked for it to run."),
            APIField("health", .object(.taskHealth), "What its checks say while it runs."),
            APIField("owner", .object(.taskOwner), "The job it belongs to."),
            APIField("secrets", .list(of: .text(), atMost: 1000), "Names of the credentials that it sees."),
            APIField("security", .word(TaskSecurity.self), "What it may ask of the kernel."),
            APIField("capabilities", .list(of: .text()), "The capabilities that it has."),
        ])

    static let taskExit = APIObject(
        "TaskExit", "How a task's first process ended.",
        [
            APIField("code", .integer(0...255), "The exit code, unless a signal ended it."),
            APIField("signal", .integer(0...255), "The signal that ended it."),
            APIField("outOfMemory", .boolean, "Whether the kernel killed something in it for want of memory.", required: true),
            APIField("at", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
        ])

    static let taskProcesses = APIObject(
        "TaskProcesses", "Process ids on the host.",
        [
            APIField("helper", .count, "Its helper.", required: true), APIField("runtime", .count, "systemd-nspawn."),
            APIField("leader", .count, "The container's first process."),
        ])

    static let taskPaths = APIObject(
        "TaskPaths", "Paths of the host.",
        [
            APIField("root", .text(), "The root file system.", required: true),
            APIField("log", .text(), "The console log.", required: true),
            APIField("helper", .text(), "The helper's socket.", required: true),
            APIField("cgroups", .list(of: .text()), "`cgroup.procs` files.", required: true),
            APIField("state", .text(), "The agent's directory for it."),
        ])

    static let taskHealth = APIObject(
        "TaskHealth", "What a task's health checks have found.",
        [
            APIField("started", .boolean, "Whether its startup checks have succeeded.", required: true),
            APIField("live", .boolean, "False once a liveness check has failed.", required: true),
            APIField("ready", .boolean, "Whether its readiness checks succeed.", required: true),
            APIField("reason", .any, "What the last check that failed said."),
        ])

    static let stopRequest = APIObject(
        "StopRequest", "How a task is ended.", sent: true,
        [APIField("timeout", .integer(0...86400), "Seconds until what is left is killed.", required: true)])

    static let snapshotRequest = APIObject(
        "SnapshotRequest", "A snapshot to be made.", sent: true,
        [APIField("name", .text(1...200), "Letters, digits, dots and dashes; without it: the time.")])

    static let snapshotStatus = APIObject(
        "TaskSnapshotStatus", "A snapshot of a task's root file system.",
        [
            APIField("name", .text(), "Its name.", required: true),
            APIField("created", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("isAutomatic", .boolean, "Whether a rollback kept it.", required: true),
            APIField(
                "missing", .list(of: .text(), atMost: 100),
                "Of one that was just made: subvolumes inside the task, whose content isn't in it."),
        ])

    static let rollbackRequest = APIObject(
        "RollbackRequest", "Where a task goes back to.", sent: true,
        [
            APIField("snapshot", .text(1...200), "Without it: the last snapshot that somebody made, or else the image."),
            APIField("image", .boolean, "Whether it is the image in any case."),
            APIField("timeout", .integer(0...86400), "Seconds until what still runs is killed."),
        ])

    static let limitsChange = APIObject(
        "LimitsChange", "A change of a task's limits.", sent: true,
        [
            APIField("limits", .object(.limits), "The new values; one that is left out stays."),
            APIField("lift", .list(of: .text(0...100), atMost: 100), "Names of limits to be lifted: `memory`, `cpuWeight`, …"),
            APIField("bestEffort", .boolean, "Whether what the host can't enforce is left out instead of refused."),
        ])
}
