/// What a task may use at most, and what it is promised; nil for none (docs/resources.md).
public struct Limits: Settings {
    /// Thousandths of a CPU.
    public var cpu: UInt64?
    public var cpuWeight: UInt64?
    /// As the kernel lists them: `0-3,6`.
    public var cpuset: String?
    /// Bytes, as all of memory, I/O and disk.
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

    public init() {}

    public init(cpu: UInt64? = nil, memory: UInt64? = nil, disk: UInt64? = nil, pids: UInt64? = nil) {
        (self.cpu, self.memory, self.disk, self.pids) = (cpu, memory, disk, pids)
    }
}

extension Limits {
    public static let name = "Limits"
    public static let about = "What a task may use at most, and what it is promised."

    public static let fields: [Field<Limits>] = [
        .cores("cpu", \.cpu, 1...100_000_000, "CPUs it may use at most."),
        .count("cpuWeight", \.cpuWeight, weights, default: "its class's", "Its share when tasks compete for CPUs."),
        .text("cpuset", \.cpuset, .cpuList, 1...1000, default: "all", "The CPUs it may run on."),
        .bytes("memory", \.memory, 1 << 20...most, "Memory it may use at most; reaching it ends the whole task."),
        .bytes("memoryMin", \.memoryMin, 0...most, default: "its class's", "Memory that is never taken from it."),
        .bytes("memoryLow", \.memoryLow, 0...most, "Memory that is taken from it only when nobody else has any to give."),
        .bytes("memoryHigh", \.memoryHigh, 1 << 20...most, "Memory above which it is slowed down and has to give some back."),
        .bytes(
            "memorySwap", \.memorySwap, 0...most, default: "none where memory is limited, else as much as there is",
            "Swap it may use beside its memory. Memory isn't counted in."),
        .count(
            "ioWeight", \.ioWeight, weights, default: "its class's", "Its share when tasks compete for the pool's devices."),
        .bytes("ioReadBps", \.ioReadBps, 1...most, "Bytes a second that it may read from each of the pool's devices."),
        .bytes("ioWriteBps", \.ioWriteBps, 1...most, "Bytes a second that it may write to each of the pool's devices."),
        .count("ioReadIops", \.ioReadIops, rates, "Operations a second that read from each of the pool's devices."),
        .count("ioWriteIops", \.ioWriteIops, rates, "Operations a second that write to each of the pool's devices."),
        .count("pids", \.pids, 1...4_194_304, default: "the host's share for tasks", "Processes and threads it may have."),
        .bytes(
            "hugepages", \.hugepages, 0...most, "Huge pages of the host's default size it may use; of other sizes it gets none."),
        .bytes("disk", \.disk, 1 << 20...most, "What it may write to its root file system."),
    ]

    /// An amount beyond what any host has: as much as there is.
    public static let most: UInt64 = 1 << 60
    private static let weights: ClosedRange<Int64> = 1...10_000
    private static let rates: ClosedRange<Int64> = 1...Int64(UInt32.max)

    /// A smaller amount can't be more than a larger one: `memoryMin` ≤ `memoryLow` ≤ `memoryHigh` ≤ `memory`.
    ///
    /// - Throws: `FieldFault` for the first value out of its bounds, or out of order.
    public func checkAll() throws(FieldFault) {
        try check()
        let ordered = [("memoryMin", memoryMin), ("memoryLow", memoryLow), ("memoryHigh", memoryHigh), ("memory", memory)]
            .compactMap { name, bytes in bytes.map { (name: name, bytes: $0) } }
        for (lower, upper) in zip(ordered, ordered.dropFirst()) where lower.bytes > upper.bytes {
            let (most, name) = (FieldKind.size(upper.bytes), FieldName(upper.name).spoken)
            throw FieldFault(
                lower.name,
                "can't be \(FieldKind.size(lower.bytes)), which is more than the \(name) of \(most): they go min ≤ low ≤ high ≤ memory"
            )
        }
    }
}

extension TextForm {
    /// CPUs as the kernel lists them (cpuset(7), "List format").
    public static let cpuList = TextForm("a list of CPUs", pattern: "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$") { text, what in
        CPUList.parse(text).map { !$0.isEmpty } == true ? nil : "\(what) must be a list of CPUs like 0-3,6, not '\(text)'"
    }
}
