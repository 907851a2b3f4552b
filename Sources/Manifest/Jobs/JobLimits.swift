/// The key `limits` of a job: bytes, CPUs in thousandths; nil for none.
public struct JobLimits: Sendable, Equatable {
    public var cpu: UInt64?
    public var cpuWeight: UInt64?
    public var cpuset: String?
    public var memory: UInt64?
    public var memoryMin: UInt64?
    public var memoryLow: UInt64?
    public var memoryHigh: UInt64?
    public var memorySwap: UInt64?
    public var ioWeight: UInt64?
    public var ioReadBps: UInt64?
    public var ioWriteBps: UInt64?
    public var ioReadIops: UInt64?
    public var ioWriteIops: UInt64?
    public var pids: UInt64?
    public var hugepages: UInt64?
    public var disk: UInt64?

    static let schema = MappingSchema(
        "'limits'", title: "limits",
        [
            KeySchema("cpu", .text(.cpus), default: "none", "CPUs it may use at most, like `0.5`."),
            KeySchema("cpu_weight", .integer(1...10_000), default: "the class's", "Its share when tasks compete for CPUs."),
            KeySchema("cpuset", .text(.cpuset), default: "none", "The CPUs it may run on, like `0-3,6`."),
            KeySchema("memory", .text(.size), default: "none", "Memory it may use at most; reaching it ends the replica."),
            KeySchema("memory_min", .text(.size), default: "the class's", "Memory that is never taken from it."),
            KeySchema(
                "memory_low", .text(.size), default: "none", "Memory that is taken from it only when nobody else has any to give."
            ),
            KeySchema(
                "memory_high", .text(.size), default: "none", "Memory above which it is slowed down and has to give some back."),
            KeySchema(
                "memory_swap", .text(.size), default: "none where `memory` is limited", "Swap it may use beside its memory."),
            KeySchema(
                "io_weight", .integer(1...10_000), default: "the class's", "Its share when tasks compete for the pool's devices."),
            KeySchema(
                "io_read_bps", .text(.size), default: "none", "Bytes a second that it may read, of each of the pool's devices."),
            KeySchema("io_write_bps", .text(.size), default: "none", "Bytes a second that it may write."),
            KeySchema("io_read_iops", .integer(1...UInt32.max), default: "none", "Operations a second that it may read with."),
            KeySchema("io_write_iops", .integer(1...UInt32.max), default: "none", "Operations a second that it may write with."),
            KeySchema("pids", .integer(1...4_194_304), default: "none", "Processes and threads it may have."),
            KeySchema("hugepages", .text(.size), default: "none", "Huge pages of the host's default size it may use."),
            KeySchema("disk", .text(.size), default: "none", "What it may write to its root file system."),
        ])

    init(_ mapping: CheckedMapping?) {
        cpu = mapping?.text("cpu").flatMap { TextForm.thousandths($0) }
        cpuWeight = mapping?.number("cpu_weight").map(UInt64.init)
        cpuset = mapping?.text("cpuset")
        memory = mapping?.bytes("memory")
        memoryMin = mapping?.bytes("memory_min")
        memoryLow = mapping?.bytes("memory_low")
        memoryHigh = mapping?.bytes("memory_high")
        memorySwap = mapping?.bytes("memory_swap")
        ioWeight = mapping?.number("io_weight").map(UInt64.init)
        ioReadBps = mapping?.bytes("io_read_bps")
        ioWriteBps = mapping?.bytes("io_write_bps")
        ioReadIops = mapping?.number("io_read_iops").map(UInt64.init)
        ioWriteIops = mapping?.number("io_write_iops").map(UInt64.init)
        pids = mapping?.number("pids").map(UInt64.init)
        hugepages = mapping?.bytes("hugepages")
        disk = mapping?.bytes("disk")
    }
}

extension CheckedMapping {
    /// A size.
    fileprivate func bytes(_ key: String) -> UInt64? { text(key).flatMap { ByteCount($0)?.bytes } }
}
