/// The limits and guarantees of a task; nil for none (docs/resources.md).
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
    public static let about = "Limits and guarantees of a task."

    public static let fields: [Field<Limits>] = [
        .cores("cpu", \.cpu, 1...100_000_000, "Most CPUs that the task may use."),
        .count("cpuWeight", \.cpuWeight, weights, default: "depends on `class`", "Share of CPU time when tasks compete."),
        .text("cpuset", \.cpuset, .cpuList, 1...1000, default: "all", "CPUs that the task may run on."),
        .bytes("memory", \.memory, 1 << 20...most, "Most memory. The whole task is killed when it needs more."),
        .bytes(
            "memoryMin", \.memoryMin, 0...most, default: "depends on `class`", "Memory that is never reclaimed from the task."),
        .bytes("memoryLow", \.memoryLow, 0...most, "Memory that is reclaimed only when no other task has any to give."),
        .bytes("memoryHigh", \.memoryHigh, 1 << 20...most, "Memory above which the task is throttled and memory is reclaimed."),
        .bytes(
            "memorySwap", \.memorySwap, 0...most, default: "none if `memory` is set, else all",
            "Most swap, not counting memory."),
        .count(
            "ioWeight", \.ioWeight, weights, default: "depends on `class`", "Share of the pool's devices when tasks compete."),
        .bytes("ioReadBps", \.ioReadBps, 1...most, "Bytes read per second from each of the pool's devices."),
        .bytes("ioWriteBps", \.ioWriteBps, 1...most, "Bytes written per second to each of the pool's devices."),
        .count("ioReadIops", \.ioReadIops, rates, "Reads per second from each of the pool's devices."),
        .count("ioWriteIops", \.ioWriteIops, rates, "Writes per second to each of the pool's devices."),
        .count("pids", \.pids, 1...4_194_304, default: "a share of the host's", "Most processes and threads."),
        .bytes(
            "hugepages", \.hugepages, 0...most, "Most huge pages of the host's default size. Other sizes are not available."),
        .bytes("disk", \.disk, 1 << 20...most, "Most bytes written to the root file system."),
    ]

    /// The limits that each disk of the pool has.
    public static let diskRates: [(name: String, path: Field<Limits>.Path<UInt64?>)] = [
        ("ioReadBps", \.ioReadBps), ("ioWriteBps", \.ioWriteBps), ("ioReadIops", \.ioReadIops), ("ioWriteIops", \.ioWriteIops),
    ]

    /// An amount beyond any host's: no limit.
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
