import Spec

/// What a host has, what of it is set aside, and what is used: `GET /v1/host`.
public struct HostCapacity: Sendable, Codable, Equatable {
    /// CPUs in thousandths, or bytes.
    public struct Resource: Sendable, Codable, Equatable {
        /// What the host has.
        public var total: UInt64
        /// Set aside for the system and the agent.
        public var system: UInt64
        /// Set aside for tasks.
        public var reserved: UInt64
        /// What tasks may use at most, all together, as far as that is limited.
        public var committed: UInt64
        /// Nil where it can't be told; CPUs the first time.
        public var used: UInt64?

        public init(total: UInt64, system: UInt64, reserved: UInt64, committed: UInt64, used: UInt64?) {
            self.total = total
            self.system = system
            self.reserved = reserved
            self.committed = committed
            self.used = used
        }

        /// What can still be set aside.
        public var free: UInt64 {
            let taken = system.addingReportingOverflow(reserved)
            return taken.overflow || taken.partialValue > total ? 0 : total - taken.partialValue
        }
    }

    /// Of the pool, in bytes.
    public struct Disk: Sendable, Codable, Equatable {
        public var total: UInt64
        public var available: UInt64

        public init(total: UInt64, available: UInt64) {
            self.total = total
            self.available = available
        }
    }

    public var name: String
    /// Milliseconds since 1970.
    public var at: Int64
    /// Thousandths of a CPU.
    public var cpu: Resource
    /// Bytes.
    public var memory: Resource
    public var disk: Disk?
    /// Limits of memory of burstable tasks may add up to so many times what the host has for tasks.
    public var overcommit: Double
    /// Tasks that have not ended.
    public var tasks: Int
    public var pressure: ResourcePressure
    /// What this host can't enforce, with the reasons.
    public var unenforceable: [String]
    /// How it stands to its scheduler; nil from agents that know of none.
    public var scheduler: SchedulerStatus?
    /// That it takes no new tasks; nil when it does.
    public var drain: DrainStatus?

    public init(
        name: String, at: Int64, cpu: Resource, memory: Resource, disk: Disk?, overcommit: Double, tasks: Int,
        pressure: ResourcePressure, unenforceable: [String]
    ) {
        self.name = name
        self.at = at
        self.cpu = cpu
        self.memory = memory
        self.disk = disk
        self.overcommit = overcommit
        self.tasks = tasks
        self.pressure = pressure
        self.unenforceable = unenforceable
    }
}

/// What `GET /v1/stats` answers.
public struct HostUsage: Sendable, Codable, Equatable {
    public var host: HostCapacity
    /// Tasks that have not ended.
    public var tasks: [TaskUsage]

    public init(host: HostCapacity, tasks: [TaskUsage]) {
        self.host = host
        self.tasks = tasks
    }
}
