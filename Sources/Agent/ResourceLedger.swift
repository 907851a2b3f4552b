import AgentAPI
import Spec

/// What a task takes of its host.
struct ResourceClaim: Sendable, Equatable {
    /// Set aside: thousandths of a CPU, bytes.
    var cpu: UInt64 = 0
    var memory: UInt64 = 0
    /// What it may use at most, where that is limited and its class's use is bounded.
    var committedCPU: UInt64 = 0
    var committedMemory: UInt64 = 0

    init(_ request: TaskRequest) {
        let limits = request.limits
        switch request.class {
        case .guaranteed: (cpu, memory) = (limits.cpu ?? 0, limits.memory ?? 0)
        case .burstable: memory = max(limits.memoryMin ?? 0, limits.memoryLow ?? 0)
        case .bestEffort: return
        }
        committedCPU = limits.cpu ?? 0
        committedMemory = max(limits.memory ?? 0, memory)
    }
}

/// What a host has and who has been promised how much of it; decides who fits. No I/O.
struct ResourceLedger: Sendable {
    /// Thousandths of a CPU, bytes: all that the host has.
    let cpu: UInt64
    let memory: UInt64
    let policy: ResourcePolicy
    /// Of the tasks that haven't ended.
    let claims: [ResourceClaim]

    var systemCPU: UInt64 { policy.systemCPU(of: cpu) }
    var systemMemory: UInt64 { policy.systemMemory(of: memory) }

    func sum(_ part: KeyPath<ResourceClaim, UInt64>) -> UInt64 {
        claims.reduce(0) { sum, claim in
            let (total, overflow) = sum.addingReportingOverflow(claim[keyPath: part])
            return overflow ? .max : total
        }
    }

    /// - Throws: `AgentError` `.insufficient` with the numbers, and what to do.
    func admit(_ request: TaskRequest) throws(AgentError) {
        let claim = ResourceClaim(request)
        let advice =
            "see who has how much: dish stats, dish host show; end a task, ask for less, or take a class that sets nothing aside"
        let freeCPU = left(cpu, systemCPU, sum(\.cpu))
        if claim.cpu > freeCPU {
            throw AgentError(
                .insufficient,
                "it needs \(cpus(claim.cpu)) CPUs set aside, and \(cpus(freeCPU)) are free: of this host's \(cpus(cpu)), \(cpus(systemCPU)) are the system's and \(cpus(sum(\.cpu))) are set aside for other tasks; \(advice)"
            )
        }
        let freeMemory = left(memory, systemMemory, sum(\.memory))
        if claim.memory > freeMemory {
            throw AgentError(
                .insufficient,
                "it needs \(bytes(claim.memory)) of memory set aside, and \(bytes(freeMemory)) are free: of this host's \(bytes(memory)), \(bytes(systemMemory)) are the system's and \(bytes(sum(\.memory))) are set aside for other tasks; \(advice)"
            )
        }
        guard request.class == .burstable, claim.committedMemory > 0 else { return }
        let most = Double(left(memory, systemMemory, 0)) * policy.overcommit
        let committed = Double(sum(\.committedMemory))
        if committed + Double(claim.committedMemory) > most {
            throw AgentError(
                .insufficient,
                "with its limit of \(bytes(claim.committedMemory)), tasks could use \(bytes(UInt64(committed) + claim.committedMemory)) of memory together, and \(bytes(UInt64(most))) is the most this host promises (\(policy.overcommit) times what it has for tasks); give it a lower limit, or the class best-effort, or have the agent promise more (its setting overcommit)"
            )
        }
    }

    private func left(_ total: UInt64, _ system: UInt64, _ taken: UInt64) -> UInt64 {
        let free = total - min(system, total)
        return free - min(taken, free)
    }

    private func cpus(_ thousandths: UInt64) -> String {
        thousandths % 1000 == 0 ? "\(thousandths / 1000)" : "\(Double(thousandths) / 1000)"
    }

    private func bytes(_ count: UInt64) -> String { "\(count >> 20) MiB" }
}
