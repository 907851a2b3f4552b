import AgentAPI
import Spec

/// The objects about tasks.
extension APIObject {
    static let taskRequest = APIObject(
        "TaskRequest", "A task to be started.", sent: true,
        [
            APIField("name", .text(0...200), "Letters, digits and dashes, 63 at most; without it: made from the image's name."),
            APIField(
                "image", .text(1...1000), "A label, a name or a layer id, of an image that is in the agent's pool.",
                required: true),
            APIField("pool", .text(), "The pool that the client means; another than the agent's is refused."),
            APIField("command", .list(of: .text(0...131_071)), "What runs; without it: the image's init."),
            APIField("environment", .table(of: .text(0...131_071)), "Environment variables. Not for secrets: they are shown."),
            APIField("user", .text(0...256), "The user inside that the command runs as; without it: root."),
            APIField("directory", .text(), "The command's working directory."),
            APIField("limits", .object(.limits), "What it may use."),
            APIField("class", .word(TaskClass.self), "How it stands to others when something runs short."),
            APIField("bestEffort", .boolean, "Whether limits that the host can't enforce are left out instead of refused."),
            APIField(
                "network", .word(TaskRequest.Network.self), "An address of its own, the host's interfaces, or loopback alone."),
            APIField("publish", .list(of: .text(0...200), atMost: 1000), "Ports: `8080:80`, `127.0.0.1:8080:80/tcp`."),
            APIField(
                "allowedMounts", .list(of: .text()), "Paths of the host which the image may mount, with what is below them."),
            APIField("volumes", .list(of: .text()), "`data:/srv/data`, `data:/srv/data:ro`."),
            APIField("userNamespace", .boolean, "Whether it has user ids of its own; without, root inside is the host's."),
            APIField("security", .word(TaskSecurity.self), "What it may ask of the kernel."),
            APIField("capabilities", .object(.taskCapabilities), "What it may ask of the kernel beside that, or not."),
            APIField("terminal", .boolean, "Whether the command has a terminal."),
            APIField("interactive", .boolean, "Whether standard input stays open for whoever attaches."),
            APIField("attach", .boolean, "Whether output waits for the first client that attaches."),
            APIField("removeWhenDone", .boolean, "Whether it is removed when it ends."),
            APIField("restart", .object(.restartPolicy), "Whether it is started again when it ends by itself."),
            APIField("health", .list(of: .object(.healthCheck), atMost: 100), "How it is seen to be well."),
            APIField("owner", .object(.taskOwner), "The job it belongs to."),
            APIField("stopSignal", .text(0...32), "What asks a command to end, like `SIGTERM`; without it: what the image says."),
            APIField(
                "secrets", .list(of: .text(1...200), atMost: 100),
                "Secrets of the host that it sees as credentials: `NAME`, or `CREDENTIAL=NAME`."),
            APIField(
                "secretValues", .table(of: .text(0...1_400_000), atMost: 100),
                "Credentials of its own by name, in base64. Never told again."),
        ])

    static let taskCapabilities = APIObject(
        "TaskCapabilities", "Capabilities, like `NET_RAW`.", sent: true,
        [
            APIField("add", .list(of: .text(1...40), atMost: 100), "Those it has beside what its security gives it."),
            APIField("drop", .list(of: .text(1...40), atMost: 100), "Those it hasn't; `all` for all that aren't added."),
        ])

    static let limits = APIObject(Limits.self)

    static let restartPolicy = APIObject(
        "RestartPolicy", "Whether a task that ended by itself is started again.", sent: true,
        [
            APIField("mode", .word(RestartPolicy.Mode.self), "After which ends."),
            APIField("attempts", .integer(1...1_000_000), "The most restarts within `window`."),
            APIField("window", .seconds, "Seconds."),
            APIField("backoff", .seconds, "Seconds before the first restart; each further one waits twice as long."),
            APIField("longestBackoff", .seconds, "The most seconds to wait."),
            APIField("resetAfter", .seconds, "Seconds it must have run for the next restart to be a first one again."),
        ])

    static let healthCheck = APIObject(
        "HealthCheck", "A question that a running task is asked again and again.", sent: true,
        oneOf: ["command", "http", "tcp", "unit"],
        [
            APIField("command", .list(of: .text(0...131_071)), "A command inside that must exit with 0."),
            APIField("http", .object(.httpProbe), "A GET that must be answered with a status from 200 to 399."),
            APIField("tcp", .integer(1...65535), "A port that must take a connection."),
            APIField("unit", .text(1...199), "A unit of the systemd inside that must be active."),
            APIField("purpose", .word(HealthCheck.Purpose.self), "What hangs on the answer."),
            APIField("interval", .number(0.1...86400), "Seconds between two questions."),
            APIField("timeout", .number(0.001...3600), "Seconds until no answer is a failure."),
            APIField("failures", .integer(1...1_000_000), "How many in a row count as one."),
            APIField("successes", .integer(1...1_000_000), "How many in a row count as one."),
            APIField("startPeriod", .number(0...86400), "Seconds from the start in which failures don't count."),
        ])

    static let httpProbe = APIObject(
        "HTTPProbe", "What is asked for.", sent: true,
        [
            APIField("port", .integer(1...65535), "A port of the task.", required: true),
            APIField("path", .text(1...4096), "Like `/healthz`."),
        ])

    static let taskOwner = APIObject(
        "TaskOwner", "The job a task is a replica of.", sent: true,
        [
            APIField("job", .text(1...200), "Its name.", required: true),
            APIField("version", .integer(0...1_000_000_000), "The version that it was made from.", required: true),
            APIField("replica", .integer(0...1_000_000), "From 0.", required: true),
        ])

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
