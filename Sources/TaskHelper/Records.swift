public import Linux

/// What a helper says of a running task: the file `running`, and the state message.
public struct RunningRecord: Sendable, Equatable {
    public enum Phase: String, Sendable {
        /// The container's first process isn't known, or its init isn't ready yet.
        case starting
        case running
        case stopping
    }

    /// Which run of the task it tells of, from 1.
    public var generation: Int
    public var phase: Phase
    /// `/proc/sys/kernel/random/boot_id`.
    public var boot: String
    public var helper: ProcessIdentity
    public var runtime: ProcessIdentity
    /// The container's process 1, once it is known.
    public var leader: ProcessIdentity?
    /// `cgroup.procs` files for processes that join the task.
    public var cgroups: [String]

    public init(
        generation: Int = 1, phase: Phase, boot: String, helper: ProcessIdentity, runtime: ProcessIdentity,
        leader: ProcessIdentity?, cgroups: [String]
    ) {
        self.generation = generation
        self.phase = phase
        self.boot = boot
        self.helper = helper
        self.runtime = runtime
        self.leader = leader
        self.cgroups = cgroups
    }

    /// Lines of `key=value`.
    public var text: String {
        var lines = ["generation=\(generation)", "phase=\(phase.rawValue)", "boot=\(boot)", "helper=\(helper)", "runtime=\(runtime)"]
        if let leader { lines.append("leader=\(leader)") }
        lines += cgroups.map { "cgroup=\($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    public init?(_ text: String) {
        let fields = Fields(text)
        guard let phase = fields["phase"].flatMap({ Phase(rawValue: $0) }), let boot = fields["boot"],
            let helper = fields["helper"].flatMap({ ProcessIdentity($0) }),
            let runtime = fields["runtime"].flatMap({ ProcessIdentity($0) })
        else { return nil }
        self.init(
            generation: fields.generation, phase: phase, boot: boot, helper: helper, runtime: runtime,
            leader: fields["leader"].flatMap { ProcessIdentity($0) }, cgroups: fields.all("cgroup"))
    }
}

/// How a task ended: the file `exit`, and the last message.
public struct ExitRecord: Sendable, Equatable {
    /// Which run of the task ended, from 1.
    public var generation: Int
    public var status: ExitStatus
    /// Whether the kernel killed something in it for want of memory.
    public var outOfMemory: Bool
    /// Seconds since 1970.
    public var at: Int64
    /// Why it never ran; nil when it did.
    public var message: String?
    /// Whether it never ran because the agent that was to start it was gone.
    public var isAbandoned = false

    public init(
        generation: Int = 1, status: ExitStatus, outOfMemory: Bool, at: Int64, message: String? = nil, isAbandoned: Bool = false
    ) {
        self.generation = generation
        self.isAbandoned = isAbandoned
        self.status = status
        self.outOfMemory = outOfMemory
        self.at = at
        self.message = message
    }

    public var text: String {
        let end =
            switch status {
            case .code(let code): "code=\(code)"
            case .signal(let signal): "signal=\(signal)"
            }
        let reason = message.map { "message=\($0.split(whereSeparator: \.isNewline).joined(separator: " "))\n" } ?? ""
        return "generation=\(generation)\n\(end)\noom=\(outOfMemory ? 1 : 0)\nat=\(at)\n\(reason)\(isAbandoned ? "abandoned=1\n" : "")"
    }

    public init?(_ text: String) {
        let fields = Fields(text)
        guard let at = fields["at"].flatMap({ Int64($0) }), let oom = fields["oom"] else { return nil }
        let status: ExitStatus
        if let code = fields["code"].flatMap({ CInt($0) }) {
            status = .code(code)
        } else if let signal = fields["signal"].flatMap({ CInt($0) }) {
            status = .signal(signal)
        } else {
            return nil
        }
        self.init(
            generation: fields.generation, status: status, outOfMemory: oom == "1", at: at, message: fields["message"],
            isAbandoned: fields["abandoned"] == "1")
    }
}

/// Lines of `key=value`; the first of a key counts, but for lists.
private struct Fields {
    private let pairs: [(key: String, value: String)]

    init(_ text: String) {
        // By bytes: to Swift "\r\n", or "=" and a combining mark, is one character, and no separator.
        pairs = text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            return (String(Substring(line[..<equals])), String(Substring(line[line.index(after: equals)...])))
        }
    }

    subscript(key: String) -> String? { pairs.first { $0.key == key }?.value }

    /// Helpers of agents that started a task only once don't say it.
    var generation: Int { self["generation"].flatMap { Int($0) } ?? 1 }

    func all(_ key: String) -> [String] { pairs.filter { $0.key == key }.map(\.value) }
}
