import AgentAPI
import Cgroups

/// Whether the limits of a request make sense, whatever the host.
struct LimitsCheck {
    let limits: TaskRequest.Limits
    let `class`: TaskClass

    init(_ request: TaskRequest) {
        (limits, `class`) = (request.limits, request.class)
    }

    /// - Parameter cpus: those of the host.
    func run(cpus: Set<Int>) throws(AgentError) {
        if limits.cpu == 0 { throw invalid("--cpu must be at least 0.001") }
        if limits.pids == 0 { throw invalid("--pids must be at least 1") }
        for (option, weight) in [("--cpu-weight", limits.cpuWeight), ("--io-weight", limits.ioWeight)] {
            if let weight, !(1...10_000).contains(weight) { throw invalid("\(option) must be from 1 to 10000, not \(weight)") }
        }
        for (option, rate) in [
            ("--io-read-bps", limits.ioReadBps), ("--io-write-bps", limits.ioWriteBps), ("--io-read-iops", limits.ioReadIops),
            ("--io-write-iops", limits.ioWriteIops),
        ] where rate == 0 { throw invalid("\(option) must be at least 1") }
        try checkMemory()
        try checkClass()
        if let cpuset = limits.cpuset {
            guard let wanted = CPUList.parse(cpuset), !wanted.isEmpty else {
                throw invalid("--cpuset '\(cpuset)' is no list of CPUs; write it like 0-3,6")
            }
            if let missing = wanted.subtracting(cpus).min() {
                throw invalid(
                    "--cpuset '\(cpuset)': this host has no CPU \(missing); it has \(cpus.sorted().map(String.init).joined(separator: ","))"
                )
            }
        }
    }

    private func checkMemory() throws(AgentError) {
        for (option, bytes) in [("--memory", limits.memory), ("--memory-high", limits.memoryHigh), ("--disk", limits.disk)] {
            if let bytes, bytes < 1 << 20 { throw invalid("\(option) must be at least 1M") }
        }
        let ordered: [(option: String, bytes: UInt64)] = [
            ("--memory-min", limits.memoryMin), ("--memory-low", limits.memoryLow), ("--memory-high", limits.memoryHigh),
            ("--memory", limits.memory),
        ].compactMap { option, bytes in bytes.map { (option, $0) } }
        for (lower, upper) in zip(ordered, ordered.dropFirst()) where lower.bytes > upper.bytes {
            throw invalid(
                "\(lower.option) (\(lower.bytes) bytes) can't be more than \(upper.option) (\(upper.bytes) bytes): they go min ≤ low ≤ high ≤ memory"
            )
        }
    }

    private func checkClass() throws(AgentError) {
        switch `class` {
        case .guaranteed:
            let missing = [limits.cpu == nil ? "--cpu" : nil, limits.memory == nil ? "--memory" : nil].compactMap { $0 }
            if !missing.isEmpty {
                throw invalid(
                    "a guaranteed task needs \(missing.joined(separator: " and ")): what it may use is what is set aside for it")
            }
        case .burstable: break
        case .bestEffort:
            if limits.memoryMin ?? 0 > 0 || limits.memoryLow ?? 0 > 0 {
                throw invalid(
                    "nothing is set aside for a best-effort task: leave --memory-min and --memory-low out, or choose --class burstable"
                )
            }
        }
    }

    /// - Parameter text: its first option names the field: `--memory-min` is `limits.memoryMin`.
    private func invalid(_ text: String) -> AgentError { AgentError(.invalid, text, field: Self.field(text)) }

    /// `limits.memoryMin` of a sentence whose first option is `--memory-min`.
    static func field(_ text: String) -> String? {
        guard let option = text.split(separator: " ").first(where: { $0.hasPrefix("--") }) else { return nil }
        let words = option.split(separator: "-")
        let name = (words.first ?? "") + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        return name == "class" ? "class" : "limits.\(name)"
    }
}
