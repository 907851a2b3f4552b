import AgentAPI
import ArgumentParser
import Manifest

/// Limits of a task, as options (docs/resources.md). `max` is no limit.
struct LimitOptions: ParsableArguments {
    @Option(help: "CPUs it may use at most, like 0.5 or 2.")
    var cpu: String?
    @Option(help: "Its share when tasks compete for CPUs, 1 to 10000 (default: its class's).")
    var cpuWeight: String?
    @Option(help: "The CPUs it may run on, like 0-3,6.")
    var cpuset: String?
    @Option(help: "Memory it may use at most, like 512M; reaching it ends the task.")
    var memory: String?
    @Option(help: "Memory that is never taken from it.")
    var memoryMin: String?
    @Option(help: "Memory that is taken from it only when nobody else has any to give.")
    var memoryLow: String?
    @Option(help: "Memory above which it is slowed down and gives some back.")
    var memoryHigh: String?
    @Option(help: "Swap it may use beside its memory (not counted in, as Docker does); 0 where only --memory is given.")
    var memorySwap: String?
    @Option(help: "Its share when tasks compete for the pool's devices, 1 to 10000.")
    var ioWeight: String?
    @Option(help: "Bytes it may read a second from each of the pool's devices, like 50M.")
    var ioReadBps: String?
    @Option(help: "Bytes it may write a second to each of the pool's devices.")
    var ioWriteBps: String?
    @Option(help: "Operations a second that read from each of the pool's devices.")
    var ioReadIops: String?
    @Option(help: "Operations a second that write to each of the pool's devices.")
    var ioWriteIops: String?
    @Option(help: "What it may write to its root file system, like 1G.")
    var disk: String?
    @Option(help: "Processes and threads it may have.")
    var pids: String?
    @Option(help: "Huge pages it may use, like 1G.")
    var hugepages: String?
    @Flag(help: "Leave out limits that this host can't enforce, instead of refusing.")
    var bestEffort = false

    private enum Kind {
        case count, size, cpus
    }

    private typealias Target = WritableKeyPath<TaskRequest.Limits, UInt64?>

    /// Options that are numbers: the option, what was given, the name in JSON.
    private var numbers: [(option: String, text: String?, kind: Kind, name: String, target: Target)] {
        [
            ("--cpu", cpu, .cpus, "cpu", \.cpu), ("--cpu-weight", cpuWeight, .count, "cpuWeight", \.cpuWeight),
            ("--memory", memory, .size, "memory", \.memory), ("--memory-min", memoryMin, .size, "memoryMin", \.memoryMin),
            ("--memory-low", memoryLow, .size, "memoryLow", \.memoryLow),
            ("--memory-high", memoryHigh, .size, "memoryHigh", \.memoryHigh),
            ("--memory-swap", memorySwap, .size, "memorySwap", \.memorySwap),
            ("--io-weight", ioWeight, .count, "ioWeight", \.ioWeight),
            ("--io-read-bps", ioReadBps, .size, "ioReadBps", \.ioReadBps),
            ("--io-write-bps", ioWriteBps, .size, "ioWriteBps", \.ioWriteBps),
            ("--io-read-iops", ioReadIops, .count, "ioReadIops", \.ioReadIops),
            ("--io-write-iops", ioWriteIops, .count, "ioWriteIops", \.ioWriteIops),
            ("--disk", disk, .size, "disk", \.disk), ("--pids", pids, .count, "pids", \.pids),
            ("--hugepages", hugepages, .size, "hugepages", \.hugepages),
        ]
    }

    func validate() throws {
        for number in numbers {
            guard let text = number.text, text != "max", Self.value(text, number.kind) == nil else { continue }
            switch number.kind {
            case .cpus: throw ValidationError("\(number.option) must be a number from 0.001, like 0.5.")
            case .size: throw ValidationError("\(number.option) '\(text)' is not a size, like 512M or 2G.")
            case .count: throw ValidationError("\(number.option) '\(text)' is not a whole number.")
            }
        }
    }

    private static func value(_ text: String, _ kind: Kind) -> UInt64? {
        switch kind {
        case .count: return UInt64(text)
        case .size: return text == "0" ? 0 : ByteCount(text)?.bytes
        case .cpus:
            guard let cpus = Double(text), cpus >= 0.001, cpus <= 100_000 else { return nil }
            return UInt64((cpus * 1000).rounded())
        }
    }

    var limits: TaskRequest.Limits {
        var limits = TaskRequest.Limits()
        for number in numbers { limits[keyPath: number.target] = number.text.flatMap { Self.value($0, number.kind) } }
        limits.cpuset = cpuset == "max" ? nil : cpuset
        return limits
    }

    /// What is to be changed of a task that has limits already.
    var change: LimitsChange {
        var lifted = numbers.filter { $0.text == "max" }.map(\.name)
        if cpuset == "max" { lifted.append("cpuset") }
        return LimitsChange(limits: limits, lift: lifted, bestEffort: bestEffort)
    }
}
