import AgentAPI
import Cgroups
import Glibc
import Layers
import Linux
import Spec

/// What the agent's host has and can enforce, and what a request becomes on it.
struct HostResources: Sendable {
    let cgroups: CgroupHost
    /// The CPUs there are.
    let cpus: Set<Int>
    /// Bytes.
    let memory: UInt64
    /// Those of the pool.
    let disks: [WholeDisk]
    let hasQuotas: Bool
    let pool: String

    /// - Throws: `SystemError` when /proc can't be read.
    static func current(_ pool: Pool) throws -> HostResources {
        HostResources(
            cgroups: try CgroupHost.current(), cpus: CPUList.online, memory: memoryInfo("MemTotal") ?? 0,
            disks: (try? WholeDisk.all(ofBtrfs: pool.filesystemUUID)) ?? [], hasQuotas: (try? pool.hasQuotas()) ?? false,
            pool: pool.path)
    }

    /// Thousandths.
    var cpu: UInt64 { UInt64(cpus.count) * 1000 }

    func ledger(_ others: [TaskIntent], _ policy: ResourcePolicy) -> ResourceLedger {
        ResourceLedger(cpu: cpu, memory: memory, policy: policy, claims: others.map { ResourceClaim($0.request) })
    }

    /// Why some of what a request asks for can't be kept here.
    func unenforceable(_ request: TaskRequest) -> [FieldFault] {
        var faults = cgroups.unenforceable(request.limits, disks: disks)
        let limits = request.limits
        if disks.isEmpty, let rate = Limits.diskRates.first(where: { limits[keyPath: $0.path] != nil }) {
            faults.append(FieldFault(rate.name, "needs the pool's devices, and /sys/fs/btrfs names none for \(pool)"))
        }
        if limits.disk != nil, !hasQuotas {
            faults.append(FieldFault("disk", "needs simple quotas (Linux 6.7 or later), and the pool at \(pool) has none"))
        }
        return faults
    }

    /// What a task's helper sets: what was asked for, and what its class adds (docs/resources.md, "Classes").
    ///
    /// - Parameter policy: says what is the system's, and so no task's.
    func effective(_ request: TaskRequest, _ policy: ResourcePolicy) -> CgroupLimits {
        var limits = request.limits
        if limits.pids == nil, cgroups.controllers.contains("pids") { limits.pids = Self.defaultProcesses }
        if limits.memory == nil, cgroups.controllers.contains("memory") {
            limits.memory = forTasks(policy)
            limits.memorySwap = limits.memorySwap ?? Limits.most
        }
        if let cpus = limits.cpuset,
            !cgroups.controllers.contains("cpuset") || CPUList.parse(cpus)?.isSubset(of: self.cpus) != true
        {
            limits.cpuset = nil
        }
        var share = Limits()
        share.ioWeight = 100
        let hasWeights = cgroups.unenforceable(share, disks: disks).isEmpty
        if !hasWeights { limits.ioWeight = nil }
        switch request.class {
        case .guaranteed:
            limits.memoryMin = limits.memoryMin ?? request.limits.memory
            let part = min(request.limits.cpu ?? 0, cpu) * 10_000 / max(cpu, 1)
            limits.cpuWeight = limits.cpuWeight ?? max(part, 100)
            if hasWeights { limits.ioWeight = limits.ioWeight ?? 400 }
        case .burstable: break
        case .bestEffort:
            limits.cpuWeight = limits.cpuWeight ?? 10
            if hasWeights { limits.ioWeight = limits.ioWeight ?? 10 }
        }
        if !cgroups.controllers.contains("cpu") { limits.cpuWeight = nil }
        if !cgroups.controllers.contains("memory") { (limits.memoryMin, limits.memoryLow) = (nil, nil) }
        // Limits that aren't enforced are left out.
        return CgroupLimits(limits, disks: cgroups.controllers.contains("io") ? disks.map(\.number) : [])
    }

    /// Bytes of memory that all tasks may have together, in which one fits whatever is reserved.
    func forTasks(_ policy: ResourcePolicy) -> UInt64 {
        max(memory - min(memory, policy.systemMemory(of: memory)), 256 << 20)
    }

    /// Processes and threads that all tasks may have together.
    static var processesForTasks: UInt64 { max(64, mostProcesses / 4 * 3) }

    private static var mostProcesses: UInt64 {
        let most = ["pid_max", "threads-max"].compactMap { name in
            (try? Files.readText("/proc/sys/kernel/\(name)")).flatMap { UInt64($0.prefix { $0 != "\n" }) }
        }
        return most.min() ?? 32_768
    }

    /// Processes of a task that asks for no limit: systemd's number for containers, or a quarter of what there can be on the host.
    static var defaultProcesses: UInt64 { max(64, min(16_384, mostProcesses / 4)) }

    /// The same where control groups can't limit processes: those of a user namespace count together (getrlimit(2), `RLIMIT_NPROC`).
    func processLimit(of task: TaskIntent) -> UInt64? {
        task.userBase == nil || cgroups.controllers.contains("pids") ? nil : Self.defaultProcesses
    }

    /// Where a task's processes stand when the host has no memory left: proc(5), `oom_score_adj`.
    static func oomScore(_ class: TaskClass) -> Int {
        switch `class` {
        case .guaranteed: -500
        case .burstable: 0
        case .bestEffort: 500
        }
    }

    /// A line of /proc/meminfo, in bytes.
    static func memoryInfo(_ key: String) -> UInt64? {
        let line = ((try? Files.readText("/proc/meminfo")) ?? "").split(separator: "\n").first { $0.hasPrefix("\(key):") }
        return line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 * 1024 }
    }

    /// Host-wide CPU time that was used, and all there was, in clock ticks: proc(5), `/proc/stat`.
    static func cpuTicks() -> (used: UInt64, all: UInt64)? {
        let line = ((try? Files.readText("/proc/stat")) ?? "").split(separator: "\n").first
        let numbers = line?.split(separator: " ").dropFirst().prefix(8).compactMap { UInt64($0) } ?? []
        guard numbers.count >= 5 else { return nil }
        let all = numbers.reduce(0, &+)
        return (all &- numbers[3] &- numbers[4], all)
    }

    /// The host's own name.
    static func name() -> String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: &name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
