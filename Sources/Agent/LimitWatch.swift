import AgentAPI
import Spec

/// Which limits a task has run into, told once each. No I/O.
struct LimitWatch: Sendable {
    private enum Limit: Hashable {
        case cpu, memory, kills, pids, disk
    }

    private var told: Set<Limit> = []

    /// - Parameter known: what is no news; nil for a task that is new.
    init(_ known: TaskUsage?) {
        if let known { told = Set(Self.reached(known).map(\.limit)) }
    }

    /// Whether there is anything to look for.
    static func concerns(_ limits: Limits) -> Bool {
        [limits.cpu, limits.memory, limits.memoryHigh, limits.pids, limits.disk].contains { $0 != nil }
    }

    /// What it has run into since the last look, as sentences.
    mutating func look(_ usage: TaskUsage) -> [String] {
        Self.reached(usage).filter { told.insert($0.limit).inserted }.map(\.text)
    }

    private static func reached(_ usage: TaskUsage) -> [(limit: Limit, text: String)] {
        var found: [(Limit, String)] = []
        let limits = usage.limits
        if let limit = limits.pids, let refused = usage.pids?.refused, refused > 0 {
            found.append((.pids, "it reached its limit of \(limit) processes: \(refused) were refused"))
        }
        if let limit = limits.cpu, let periods = usage.cpu?.throttledPeriods, periods > 0 {
            found.append((.cpu, "it used all of its \(Double(limit) / 1000) CPUs and had to wait in \(periods) periods of 0.1 s"))
        }
        if let memory = usage.memory {
            if memory.kills > 0 { found.append((.kills, "\(memory.kills) of its processes were killed for want of memory")) }
            if let limit = limits.memory ?? limits.memoryHigh, memory.maxEvents + memory.highEvents > 0 {
                found.append((.memory, "it reached its limit of memory, \(limit) bytes, and had to give some back"))
            }
        }
        // A write that would go beyond is refused: the last bit stays free.
        if let disk = usage.disk, let limit = disk.limit, disk.used + (1 << 20) > limit {
            found.append((.disk, "its disk is full: \(disk.used) of \(limit) bytes"))
        }
        return found
    }
}
