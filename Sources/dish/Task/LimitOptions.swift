import AgentAPI
import ArgumentParser
import Spec

/// Limits of a task, as options (docs/resources.md). `max` is no limit.
struct LimitOptions: ParsableArguments {
    @Option(help: Limits.help("cpu")) var cpu: String?
    @Option(help: Limits.help("cpuWeight")) var cpuWeight: String?
    @Option(help: Limits.help("cpuset")) var cpuset: String?
    @Option(help: Limits.help("memory")) var memory: String?
    @Option(help: Limits.help("memoryMin")) var memoryMin: String?
    @Option(help: Limits.help("memoryLow")) var memoryLow: String?
    @Option(help: Limits.help("memoryHigh")) var memoryHigh: String?
    @Option(help: Limits.help("memorySwap")) var memorySwap: String?
    @Option(help: Limits.help("ioWeight")) var ioWeight: String?
    @Option(help: Limits.help("ioReadBps")) var ioReadBps: String?
    @Option(help: Limits.help("ioWriteBps")) var ioWriteBps: String?
    @Option(help: Limits.help("ioReadIops")) var ioReadIops: String?
    @Option(help: Limits.help("ioWriteIops")) var ioWriteIops: String?
    @Option(help: Limits.help("disk")) var disk: String?
    @Option(help: Limits.help("pids")) var pids: String?
    @Option(help: Limits.help("hugepages")) var hugepages: String?
    @Flag(help: "Leave out limits that this host can't enforce, instead of refusing.")
    var bestEffort = false

    func validate() throws { _ = try Limits.read(self) }

    var limits: Limits { get throws { try Limits.read(self).settings } }

    /// What is to be changed of a task that has limits already.
    var change: LimitsChange {
        get throws {
            let (limits, lifted) = try Limits.read(self)
            return LimitsChange(limits: limits, lift: lifted, bestEffort: bestEffort)
        }
    }
}
