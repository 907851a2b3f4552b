import AgentAPI
import Btrfs
import Cgroups
import Glibc
import Layers
import Linux
import Logging
import Spec

/// What the host has, what of it is set aside, and what tasks use (docs/resources.md). It changes nothing but the
/// protection of the group that all tasks are in.
actor ResourceManager {
    private struct Sample {
        /// Microseconds of the monotonic clock.
        let at: Int64
        let cpuTime: UInt64
    }

    private let configuration: AgentConfiguration
    private let events: EventLog
    private let logger: Logger
    private var samples: [String: Sample] = [:]
    private var hostSample: (used: UInt64, all: UInt64)?
    private var hostPercent: Double?
    /// The last answer of each kind: who asks a moment later gets it too.
    private var recent: [String: (at: Int64, usage: TaskUsage)] = [:]
    /// The counters of tasks that have limits, as they were looked at last; nil before the first look.
    private var watched: [String: LimitWatch]?
    private var protection: (min: UInt64, low: UInt64)?

    private static let freshness: Int64 = 250_000
    private static let longestInterval: Int64 = 10_000_000

    init(_ configuration: AgentConfiguration, events: EventLog, logger: Logger) {
        self.configuration = configuration
        self.events = events
        self.logger = logger
    }

    // MARK: Usage

    /// What some tasks use now.
    func usage(of tasks: [TaskIntent]) async throws -> [TaskUsage] {
        let now = Self.now()
        let stale = tasks.filter { task in
            recent[task.id].map { now - $0.at > Self.freshness || $0.usage.limits != task.request.limits } ?? true
        }
        let pool = configuration.pool
        let readings = stale.isEmpty ? [] : try await blocking { try UsageReader(pool).read(stale) }
        for reading in readings {
            var usage = reading.usage
            let percent = percent(usage.id, reading.at, usage.cpu?.time)
            usage.cpu?.percent = percent
            recent[usage.id] = (reading.at, usage)
        }
        return tasks.compactMap { recent[$0.id]?.usage }
    }

    /// Forgets tasks that have ended.
    private func forget(but tasks: [TaskIntent]) {
        let ids = Set(tasks.map(\.id))
        samples = samples.filter { ids.contains($0.key) }
        recent = recent.filter { ids.contains($0.key) }
    }

    private func percent(_ id: String, _ at: Int64, _ cpuTime: UInt64?) -> Double? {
        guard let cpuTime else { return nil }
        let before = samples.updateValue(Sample(at: at, cpuTime: cpuTime), forKey: id)
        guard let before, at > before.at, at - before.at <= Self.longestInterval, cpuTime >= before.cpuTime else { return nil }
        return Double(cpuTime - before.cpuTime) * 100 / Double(at - before.at)
    }

    /// What the host has, and what of it is set aside and used.
    func host(_ tasks: [TaskIntent]) async throws -> HostCapacity {
        let pool = configuration.pool
        let (host, ticks, available, space) = try await blocking {
            (
                try HostResources.current(pool), HostResources.cpuTicks(), HostResources.memoryInfo("MemAvailable"),
                try? pool.filesystem().space()
            )
        }
        if let ticks, hostSample.map({ ticks.all > $0.all }) ?? true {
            if let before = hostSample, ticks.used >= before.used {
                hostPercent = Double(ticks.used - before.used) * 100 / Double(ticks.all - before.all)
            }
            hostSample = ticks
        }
        let ledger = host.ledger(tasks, configuration.resources)
        let usedCPU = hostPercent.map { UInt64($0 / 100 * Double(host.cpu)) }
        return HostCapacity(
            name: HostResources.name(), at: UsageReader.wallClock(),
            cpu: .init(
                total: host.cpu, system: ledger.systemCPU, reserved: ledger.sum(\.cpu), committed: ledger.sum(\.committedCPU),
                used: usedCPU),
            memory: .init(
                total: host.memory, system: ledger.systemMemory, reserved: ledger.sum(\.memory),
                committed: ledger.sum(\.committedMemory), used: available.map { host.memory - min($0, host.memory) }),
            disk: space.map { .init(total: $0.total, available: $0.available) },
            overcommit: configuration.resources.overcommit, tasks: tasks.count, pressure: UsageReader.hostPressure(),
            unenforceable: host.unenforceable(Self.everything).map { "\(FieldName($0.path).spoken) \($0.reason)" })
    }

    /// A request with every limit there is.
    private static let everything: TaskRequest = {
        var request = TaskRequest(image: "")
        var limits = Limits()
        for field in Limits.table.fields {
            switch field.kind {
            case .bytes(let range), .cores(let range): _ = limits.set(field.name, to: .integer(Int64(range.upperBound)))
            case .count(let range): _ = limits.set(field.name, to: .integer(range.upperBound))
            default: _ = limits.set(field.name, to: "0")
            }
        }
        request.limits = limits
        return request
    }()

    // MARK: Protection

    /// Sets what the group of all tasks is promised to the sum of what they are: none of them has more than it.
    func protect(_ tasks: [TaskIntent]) async {
        let pool = configuration.pool
        // Most hosts promise nothing to anybody.
        let promised = tasks.filter { $0.request.class == .guaranteed || ResourceClaim($0.request).memory > 0 }
        if promised.isEmpty, protection == nil || protection! == (0, 0) { return }
        do {
            let host = try await blocking { try HostResources.current(pool) }
            guard host.cgroups.controllers.contains("memory"), let unified = host.cgroups.unified else { return }
            let limits = promised.map { host.effective($0.request, configuration.resources).limits }
            let sums = (limits.reduce(0) { $0 + ($1.memoryMin ?? 0) }, limits.reduce(0) { $0 + ($1.memoryLow ?? 0) })
            if let protection, protection == sums { return }
            if host.cgroups.hasSystemd, let systemctl = Executable.find("systemctl") {
                let properties = ["MemoryMin=\(sums.0)", "MemoryLow=\(sums.1)"]
                let result = try await Command(
                    systemctl, Arguments("set-property").flag("runtime").words("dish.slice").words(properties)
                ).run()
                guard result.status.isSuccess else { throw AgentError(.failed, "systemctl: \(result.errorText)") }
            } else {
                // It is there from the first task on; until then there is nobody to protect.
                guard Files.isDirectory("\(unified)/dish") else { return }
                try Files.set("\(unified)/dish/memory.min", "\(sums.0)")
                try Files.set("\(unified)/dish/memory.low", "\(sums.1)")
            }
            protection = sums
        } catch {
            logger.error("protect the memory of tasks", metadata: ["error": "\(error)"])
        }
    }

    /// Bounds what all tasks take together, so that those without limits leave the host its share.
    func bound() async {
        do {
            let pool = configuration.pool
            let host = try await blocking { try HostResources.current(pool) }
            guard host.cgroups.hasSystemd, host.cgroups.controllers.contains("memory"),
                let systemctl = Executable.find("systemctl")
            else { return }
            let properties = [
                "MemoryMax=\(host.forTasks(configuration.resources))", "TasksMax=\(HostResources.processesForTasks)",
            ]
            let result = try await Command(
                systemctl, Arguments("set-property").flag("runtime").words("dish.slice").words(properties)
            ).run()
            guard result.status.isSuccess else { throw AgentError(.failed, "systemctl: \(result.errorText)") }
        } catch {
            logger.error("bound what all tasks take", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Limits that are reached

    /// Looks at the tasks that have limits, and notes the first time one reaches one of them.
    ///
    /// - Parameter tasks: those that haven't ended.
    func watchLimits(_ tasks: [TaskIntent]) async {
        forget(but: tasks)
        await protect(tasks)
        let limited = tasks.filter { LimitWatch.concerns($0.request.limits) }
        let pool = configuration.pool
        guard let readings = try? await blocking({ limited.isEmpty ? [] : try UsageReader(pool).read(limited) }) else { return }
        var next: [String: LimitWatch] = [:]
        for reading in readings {
            // What an agent finds at its start was noted by the one before.
            var watch = watched?[reading.usage.id] ?? LimitWatch(watched == nil ? reading.usage : nil)
            for text in watch.look(reading.usage) {
                events.record(.task, reading.usage.name, id: reading.usage.id, "limited", reason: text, isOwnDoing: true)
            }
            next[reading.usage.id] = watch
        }
        watched = next
    }

    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
