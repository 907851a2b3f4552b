import AgentAPI
import Spec

/// The check of a request's limits that doesn't depend on what the host can enforce.
struct LimitsCheck {
    let limits: Limits
    let `class`: TaskClass

    init(_ request: TaskRequest) {
        (limits, `class`) = (request.limits, request.class)
    }

    /// - Parameter cpus: those of the host.
    func run(cpus: Set<Int>) throws(AgentError) {
        do {
            try limits.checkAll()
            try checkClass()
            try checkCPUs(cpus)
        } catch { throw AgentError(error, in: "limits") }
    }

    private func checkClass() throws(FieldFault) {
        switch `class` {
        case .guaranteed:
            let missing = [("cpu", limits.cpu), ("memory", limits.memory)].first { $0.1 == nil }
            if let missing {
                throw FieldFault(missing.0, "a guaranteed task needs it: what it may use is what is set aside for it")
            }
        case .burstable: break
        case .bestEffort:
            let promised = [("memoryMin", limits.memoryMin), ("memoryLow", limits.memoryLow)].first { $0.1 ?? 0 > 0 }
            if let promised {
                throw FieldFault(
                    promised.0, "nothing is set aside for a best-effort task; leave it out, or choose the class burstable")
            }
        }
    }

    private func checkCPUs(_ cpus: Set<Int>) throws(FieldFault) {
        guard let cpuset = limits.cpuset, let missing = CPUList.parse(cpuset)?.subtracting(cpus).min() else { return }
        let all = cpus.sorted().map(String.init).joined(separator: ",")
        throw FieldFault("cpuset", "'\(cpuset)': this host has no CPU \(missing); it has \(all)")
    }
}
