extension TaskRequest {
    /// What a task may use at most, and what it is promised; nil for none (docs/resources.md).
    public struct Limits: Sendable, Codable, Equatable {
        /// Thousandths of a CPU it may use.
        public var cpu: UInt64?
        /// Its share when tasks compete for CPUs, 1 to 10,000; nil: its class's.
        public var cpuWeight: UInt64?
        /// The CPUs it may run on: `0-3,6`.
        public var cpuset: String?
        /// Bytes; reaching it ends the whole task.
        public var memory: UInt64?
        /// Bytes that are never taken from it; nil: its class's.
        public var memoryMin: UInt64?
        /// Bytes that are taken from it only when nobody else has any to give.
        public var memoryLow: UInt64?
        /// Bytes above which it is slowed down and has to give memory back.
        public var memoryHigh: UInt64?
        /// Bytes of swap beside its memory; nil: none where `memory` is limited, else as much as there is.
        public var memorySwap: UInt64?
        /// Its share when tasks compete for the pool's devices, 1 to 10,000; nil: its class's.
        public var ioWeight: UInt64?
        /// Bytes a second, of each of the pool's devices.
        public var ioReadBps: UInt64?
        public var ioWriteBps: UInt64?
        /// Operations a second, of each of the pool's devices.
        public var ioReadIops: UInt64?
        public var ioWriteIops: UInt64?
        /// Processes and threads.
        public var pids: UInt64?
        /// Bytes of huge pages of the host's default size; of other sizes it gets none.
        public var hugepages: UInt64?
        /// Bytes the task may write to its root file system.
        public var disk: UInt64?

        public init(cpu: UInt64? = nil, memory: UInt64? = nil, disk: UInt64? = nil, pids: UInt64? = nil) {
            self.cpu = cpu
            self.memory = memory
            self.disk = disk
            self.pids = pids
        }
    }
}

/// How a task stands to others when something runs short (docs/resources.md, "Classes").
public enum TaskClass: String, Sendable, Codable, CaseIterable {
    /// What it may use is set aside for it; one that doesn't fit is refused.
    case guaranteed
    /// Its `memoryMin` and `memoryLow` are set aside; beyond that it shares what is left.
    case burstable
    /// Nothing is set aside; it gives way first.
    case bestEffort = "best-effort"
}

/// What `PATCH /v1/tasks/NAME/limits` takes: a change of a task that runs.
public struct LimitsChange: Sendable, Codable, Equatable {
    /// The new values; nil leaves one as it is.
    public var limits: TaskRequest.Limits
    /// Names of limits to be lifted: `memory`, `cpuWeight`, …
    public var lift: [String]
    /// Whether what the host can't enforce is left out instead of refused.
    public var bestEffort: Bool

    public init(limits: TaskRequest.Limits, lift: [String] = [], bestEffort: Bool = false) {
        self.limits = limits
        self.lift = lift
        self.bestEffort = bestEffort
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        limits = try values.decodeIfPresent(TaskRequest.Limits.self, forKey: .limits) ?? TaskRequest.Limits()
        lift = try values.decodeIfPresent([String].self, forKey: .lift) ?? []
        bestEffort = try values.decodeIfPresent(Bool.self, forKey: .bestEffort) ?? false
    }
}
