/// What a task may use at most, what it is promised, and its shares (docs/resources.md).
public struct CgroupLimits: Sendable, Equatable {
    public enum Limit: Sendable, Equatable {
        case max
        case value(UInt64)

        public init(_ value: UInt64?) {
            self = value.map { .value($0) } ?? .max
        }

        /// As control groups have it.
        var text: String {
            switch self {
            case .max: "max"
            case .value(let value): "\(value)"
            }
        }

        init?(text: Substring) {
            if text == "max" {
                self = .max
            } else if let value = UInt64(text) {
                self = .value(value)
            } else {
                return nil
            }
        }
    }

    /// The limits of I/O on one device: bytes and operations a second.
    public struct IO: Sendable, Equatable {
        /// `MAJOR:MINOR` of a whole disk.
        public var device: String
        public var readBps = Limit.max
        public var writeBps = Limit.max
        public var readIops = Limit.max
        public var writeIops = Limit.max

        public init(device: String) {
            self.device = device
        }

        /// A line of `io.max`.
        var text: String {
            "\(device) rbps=\(readBps.text) wbps=\(writeBps.text) riops=\(readIops.text) wiops=\(writeIops.text)"
        }

        init?(text: String) {
            let words = text.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count == 5 else { return nil }
            device = String(words[0])
            let numbers = device.split(separator: ":", omittingEmptySubsequences: false)
            guard numbers.count == 2, numbers.allSatisfy({ UInt32($0) != nil }) else { return nil }
            var values: [Limit] = []
            for (name, word) in zip(["rbps=", "wbps=", "riops=", "wiops="], words.dropFirst()) {
                guard word.hasPrefix(name), let value = Limit(text: word.dropFirst(name.utf8.count)) else { return nil }
                values.append(value)
            }
            (readBps, writeBps, readIops, writeIops) = (values[0], values[1], values[2], values[3])
        }
    }

    /// Thousandths of a CPU.
    public var cpu = Limit.max
    /// 1 to 10,000; nil: the kernel's default.
    public var cpuWeight: UInt64?
    /// CPUs as the kernel lists them: `0-3,6`; nil: all.
    public var cpuset: String?
    /// Bytes; reaching it kills the whole task.
    public var memory = Limit.max
    public var memoryMin: UInt64 = 0
    public var memoryLow: UInt64 = 0
    public var memoryHigh = Limit.max
    /// Bytes beside the memory; nil: none where memory is limited, else as much as there is.
    public var swap: Limit?
    public var ioWeight: UInt64?
    public var io: [IO] = []
    /// Processes and threads.
    public var pids = Limit.max
    /// Bytes of huge pages of the default size; none of others.
    public var hugepages = Limit.max

    public init(cpu: Limit = .max, memory: Limit = .max, pids: Limit = .max) {
        self.cpu = cpu
        self.memory = memory
        self.pids = pids
    }

    /// Microseconds of CPU time in every 100,000; the kernel takes no fewer than 1000, and no more than fit 44 bits.
    var cpuMicroseconds: UInt64? {
        guard case .value(let thousandths) = cpu else { return nil }
        return min(Swift.max(10, thousandths), 1 << 37) * 100
    }

    /// What `memory.swap.max` shall be.
    var effectiveSwap: Limit { swap ?? (memory == .max ? .max : .value(0)) }

    /// Names and values, as a helper is told them; those that have their default are left out.
    public var settings: [(name: String, value: String)] {
        var list: [(name: String, value: String)] = []
        func add(_ name: String, _ limit: Limit) {
            if case .value(let value) = limit { list.append((name, "\(value)")) }
        }
        add("cpu", cpu)
        add("cpu-weight", Limit(cpuWeight))
        if let cpuset { list.append(("cpuset", cpuset)) }
        add("memory", memory)
        if memoryMin > 0 { add("memory-min", .value(memoryMin)) }
        if memoryLow > 0 { add("memory-low", .value(memoryLow)) }
        add("memory-high", memoryHigh)
        if let swap { list.append(("memory-swap", swap.text)) }
        add("io-weight", Limit(ioWeight))
        for device in io { list.append(("io", device.text)) }
        add("pids", pids)
        add("hugepages", hugepages)
        return list
    }

    /// Takes one of `settings` back in. False for what is unknown or misread: that would be no limit.
    public mutating func set(_ name: String, to value: String) -> Bool {
        let number = UInt64(value)
        switch name {
        case "cpuset":
            guard !value.isEmpty else { return false }
            cpuset = value
            return true
        case "memory-swap":
            swap = Limit(text: value[...])
            return swap != nil
        case "io":
            guard let device = IO(text: value) else { return false }
            io.append(device)
            return true
        default: break
        }
        guard let number else { return false }
        switch name {
        case "cpu": cpu = .value(number)
        case "cpu-weight": cpuWeight = number
        case "memory": memory = .value(number)
        case "memory-min": memoryMin = number
        case "memory-low": memoryLow = number
        case "memory-high": memoryHigh = .value(number)
        case "io-weight": ioWeight = number
        case "pids": pids = .value(number)
        case "hugepages": hugepages = .value(number)
        default: return false
        }
        return true
    }
}
