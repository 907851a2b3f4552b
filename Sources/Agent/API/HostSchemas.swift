import AgentAPI
import Spec

/// The objects about the host, what is used of it, and the agent itself.
extension APIObject {
    static let error = APIObject(
        "Error", "Why a request was refused or failed.",
        [
            APIField("code", .word(AgentError.Code.self), "What callers switch on.", required: true),
            APIField("message", .any, "A sentence for people.", required: true),
            APIField("field", .any, "The path of the field that is wrong: `limits.memory`, `health[0].tcp`, `?seconds`."),
            APIField("reason", .any, "The message without the field's name, where it begins with that."),
        ])

    static let done = APIObject("Done", "Nothing more to say.", [])

    static let agentStatus = APIObject(
        "AgentStatus", "The agent.",
        [
            APIField("version", .text(), "Its version.", required: true),
            APIField("pid", .count, "Its process id.", required: true),
            APIField("pool", .text(), "The pool's path.", required: true),
        ])

    static let event = APIObject(
        "AgentEvent", "Something that happened on a host.",
        [
            APIField("sequence", .count, "Grows with each event, without gaps.", required: true),
            APIField("time", .integer(Int64.min...Int64.max), "Milliseconds since 1970.", required: true),
            APIField("kind", .word(AgentEvent.Kind.self), "What kind of thing it happened to.", required: true),
            APIField("name", .any, "The object's name.", required: true), APIField("id", .any, "Its id, where it has one."),
            APIField("what", .any, "In a word or two.", required: true),
            APIField("reason", .any, "Who asked for it, or what made it necessary.", required: true),
        ])

    static let operationStatus = APIObject(
        "OperationStatus", "Something that takes its time.",
        [
            APIField("id", .text(), "12 hexadecimal digits.", required: true),
            APIField("kind", .word(OperationStatus.Kind.self), "What is done.", required: true),
            APIField("target", .any, "The path of what it is about.", required: true),
            APIField("state", .word(OperationStatus.State.self), "How it stands.", required: true),
            APIField("by", .any, "Who asked for it.", required: true),
            APIField("isBackground", .boolean, "Whether whoever asked didn't wait.", required: true),
            APIField("started", .integer(Int64.min...Int64.max), "Milliseconds since 1970.", required: true),
            APIField("ended", .integer(Int64.min...Int64.max), "Milliseconds since 1970."),
            APIField("step", .any, "What it is doing."),
            APIField("progress", .object(.operationProgress), "How far it is."),
            APIField("canCancel", .boolean, "Whether it can be cancelled now.", required: true),
            APIField("error", .object(.error), "Why it failed."),
            APIField("result", .any, "What the request would have been answered."),
        ])

    static let operationProgress = APIObject(
        "OperationProgress", "How far an operation is.",
        [
            APIField("done", .count, "So many.", required: true), APIField("total", .count, "Of so many.", required: true),
            APIField("unit", .word(OperationStatus.Progress.Unit.self), "Of what.", required: true),
        ])

    static let hostCapacity = APIObject(
        "HostCapacity", "What a host has, what of it is set aside, and what is used.",
        [
            APIField("name", .text(), "The host's name.", required: true),
            APIField("at", .count, "Milliseconds since 1970.", required: true),
            APIField("cpu", .object(.hostResource), "Thousandths of a CPU.", required: true),
            APIField("memory", .object(.hostResource), "Bytes.", required: true),
            APIField("disk", .object(.hostDisk), "The pool, in bytes."),
            APIField("overcommit", .number(0...1_000_000), "How far limits of memory may add up.", required: true),
            APIField("tasks", .count, "Tasks that have not ended.", required: true),
            APIField("pressure", .object(.pressure), "What it waits for.", required: true),
            APIField("unenforceable", .list(of: .any), "What this host can't enforce, with the reasons.", required: true),
            APIField("scheduler", .object(.schedulerStatus), "How it stands to its scheduler."),
            APIField("drain", .object(.drainStatus), "That it takes no new tasks."),
        ])

    static let hostResource = APIObject(
        "HostResource", "Thousandths of a CPU, or bytes.",
        [
            APIField("total", .count, "What the host has.", required: true),
            APIField("system", .count, "Set aside for the system and the agent.", required: true),
            APIField("reserved", .count, "Set aside for tasks.", required: true),
            APIField("committed", .count, "What tasks may use at most, as far as that is limited.", required: true),
            APIField("used", .count, "What is used, where it can be told."),
        ])

    static let hostDisk = APIObject(
        "HostDisk", "The pool, in bytes.",
        [APIField("total", .count, "All.", required: true), APIField("available", .count, "What is left.", required: true)])

    static let hostUsage = APIObject(
        "HostUsage", "What the host and its tasks use.",
        [
            APIField("host", .object(.hostCapacity), "The host.", required: true),
            APIField("tasks", .list(of: .object(.taskUsage), atMost: 100_000), "Tasks that have not ended.", required: true),
        ])

    static let taskUsage = APIObject(
        "TaskUsage", "What a task uses now; what the kernel doesn't tell is left out.",
        [
            APIField("id", .text(), "The task's id.", required: true), APIField("name", .text(), "Its name.", required: true),
            APIField("class", .word(TaskClass.self), "Its class.", required: true),
            APIField("limits", .object(.limits), "Its limits.", required: true),
            APIField("at", .count, "Milliseconds since 1970.", required: true), APIField("cpu", .object(.cpuUsage), "CPUs."),
            APIField("memory", .object(.memoryUsage), "Memory."), APIField("io", .object(.ioUsage), "The pool's devices."),
            APIField("pids", .object(.processUsage), "Processes and threads."),
            APIField("pressure", .object(.pressure), "What it waits for.", required: true),
            APIField("disk", .object(.diskUsage), "Its root file system."),
        ])

    static let cpuUsage = APIObject(
        "CPUUsage", "CPUs.",
        [
            APIField("time", .count, "Microseconds since the task started.", required: true),
            APIField("percent", .number(0...1_000_000), "Of one CPU, since it was last asked for."),
            APIField("throttledTime", .count, "Microseconds it had to wait for its limit."),
            APIField("throttledPeriods", .count, "In how many periods of 0.1 s."),
        ])

    static let memoryUsage = APIObject(
        "MemoryUsage", "Bytes.",
        [
            APIField("current", .count, "Now.", required: true), APIField("peak", .count, "The most it ever was."),
            APIField("anonymous", .count, "Of programs.", required: true), APIField("file", .count, "Of files.", required: true),
            APIField("kernel", .count, "The kernel's for it."), APIField("swap", .count, "Swapped out."),
            APIField("highEvents", .count, "How often it ran into `memoryHigh`.", required: true),
            APIField("maxEvents", .count, "How often it ran into `memory`.", required: true),
            APIField("kills", .count, "Processes killed for want of memory.", required: true),
        ])

    static let ioUsage = APIObject(
        "IOUsage", "The pool's devices, since the task started.",
        [
            APIField("readBytes", .count, "Bytes.", required: true), APIField("writtenBytes", .count, "Bytes.", required: true),
            APIField("reads", .count, "Operations.", required: true), APIField("writes", .count, "Operations.", required: true),
        ])

    static let processUsage = APIObject(
        "ProcessUsage", "Processes and threads.",
        [
            APIField("current", .count, "Now.", required: true),
            APIField("refused", .count, "How often one was refused because of the limit.", required: true),
        ])

    static let diskUsage = APIObject(
        "DiskUsage", "Bytes of its root file system that it wrote itself.",
        [APIField("used", .count, "Bytes.", required: true), APIField("limit", .count, "Bytes.")])

    static let pressure = APIObject(
        "ResourcePressure", "How much of the time work stood still for want of something.",
        [
            APIField("cpu", .object(.pressureOfResource), "CPUs."), APIField("memory", .object(.pressureOfResource), "Memory."),
            APIField("io", .object(.pressureOfResource), "Devices."),
        ])

    static let pressureOfResource = APIObject(
        "PressureOfResource", "Pressure stall information.",
        [
            APIField("some", .object(.stall), "Something waited.", required: true),
            APIField("full", .object(.stall), "Everything waited."),
        ])

    static let stall = APIObject(
        "Stall", "Percent of the last 10, 60 and 300 seconds, and microseconds in all.",
        [
            APIField("average10", .number(0...100), "Percent.", required: true),
            APIField("average60", .number(0...100), "Percent.", required: true),
            APIField("average300", .number(0...100), "Percent.", required: true),
            APIField("total", .count, "Microseconds.", required: true),
        ])
}
