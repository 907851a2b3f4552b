public import Spec

/// What a task uses now. What this host's kernel doesn't tell is nil, never made up (docs/resources.md, "Usage").
public struct TaskUsage: Sendable, Codable, Equatable {
    public struct CPU: Sendable, Codable, Equatable {
        /// Microseconds since the task started.
        public var time: UInt64
        /// Of one CPU, since it was last asked for; nil the first time.
        public var percent: Double?
        /// Microseconds it had to wait for its limit, and in how many periods of 0.1 s; nil without the controller.
        public var throttledTime: UInt64?
        public var throttledPeriods: UInt64?

        public init(time: UInt64) {
            self.time = time
        }
    }

    /// Bytes.
    public struct Memory: Sendable, Codable, Equatable {
        public var current: UInt64
        /// The most it ever was; nil before Linux 5.19.
        public var peak: UInt64?
        /// Of programs.
        public var anonymous: UInt64
        /// Of files: what can be read again.
        public var file: UInt64
        /// The kernel's for it.
        public var kernel: UInt64?
        public var swap: UInt64?
        /// How often it ran into `memoryHigh` and `memory`.
        public var highEvents: UInt64
        public var maxEvents: UInt64
        /// Processes killed because it had reached its limit, or the host had no more.
        public var kills: UInt64

        public init(
            current: UInt64, peak: UInt64?, anonymous: UInt64, file: UInt64, kernel: UInt64?, swap: UInt64?,
            highEvents: UInt64, maxEvents: UInt64, kills: UInt64
        ) {
            self.current = current
            self.peak = peak
            self.anonymous = anonymous
            self.file = file
            self.kernel = kernel
            self.swap = swap
            self.highEvents = highEvents
            self.maxEvents = maxEvents
            self.kills = kills
        }
    }

    /// Of the pool's devices, since the task started.
    public struct IO: Sendable, Codable, Equatable {
        public var readBytes: UInt64
        public var writtenBytes: UInt64
        public var reads: UInt64
        public var writes: UInt64

        public init(readBytes: UInt64, writtenBytes: UInt64, reads: UInt64, writes: UInt64) {
            self.readBytes = readBytes
            self.writtenBytes = writtenBytes
            self.reads = reads
            self.writes = writes
        }
    }

    /// Processes and threads.
    public struct Processes: Sendable, Codable, Equatable {
        public var current: UInt64
        /// How often one was refused because of the limit.
        public var refused: UInt64

        public init(current: UInt64, refused: UInt64) {
            self.current = current
            self.refused = refused
        }
    }

    /// Bytes of its root file system that it wrote itself.
    public struct Disk: Sendable, Codable, Equatable {
        public var used: UInt64
        public var limit: UInt64?

        public init(used: UInt64, limit: UInt64?) {
            self.used = used
            self.limit = limit
        }
    }

    public var id: String
    public var name: String
    public var `class`: TaskClass
    public var limits: Limits
    /// Milliseconds since 1970.
    public var at: Int64
    public var cpu: CPU?
    public var memory: Memory?
    public var io: IO?
    public var pids: Processes?
    public var pressure: ResourcePressure
    public var disk: Disk?

    public init(id: String, name: String, class: TaskClass, limits: Limits, at: Int64) {
        self.id = id
        self.name = name
        self.class = `class`
        self.limits = limits
        self.at = at
        pressure = ResourcePressure()
    }
}

/// Pressure stall information: how much of the time work stood still for want of something.
public struct ResourcePressure: Sendable, Codable, Equatable {
    /// Percent of the last 10, 60 and 300 seconds, and microseconds in all.
    public struct Stall: Sendable, Codable, Equatable {
        public var average10: Double
        public var average60: Double
        public var average300: Double
        public var total: UInt64

        public init(average10: Double, average60: Double, average300: Double, total: UInt64) {
            self.average10 = average10
            self.average60 = average60
            self.average300 = average300
            self.total = total
        }
    }

    public struct Resource: Sendable, Codable, Equatable {
        /// Something waited.
        public var some: Stall
        /// Everything waited; for CPUs of a whole host the kernel doesn't say.
        public var full: Stall?

        public init(some: Stall, full: Stall?) {
            self.some = some
            self.full = full
        }
    }

    /// Nil where the kernel keeps no account of it.
    public var cpu: Resource?
    public var memory: Resource?
    public var io: Resource?

    public init(cpu: Resource? = nil, memory: Resource? = nil, io: Resource? = nil) {
        self.cpu = cpu
        self.memory = memory
        self.io = io
    }
}
