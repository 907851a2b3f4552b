import AgentAPI
import Btrfs
import Glibc
public import Layers
import Linux
public import Logging

/// Looks after the agent's pool: its devices, its scrubs, the index of who holds what, and how full it is (docs/pool.md,
/// docs/accounting.md).
public actor PoolMonitor {
    private let pool: Pool
    private let registry: PoolRegistry
    private let events: EventLog
    private let logger: Logger
    /// What was wrong when it was last looked at, by what it is wrong with.
    private var problems: [String: PoolHealth.Problem] = [:]
    private var scrub: Task<Void, Never>?
    /// When the index may be brought up to date again; not while those that waited for an agent are served.
    private var nextRefresh = ContinuousClock.now + .seconds(10)
    /// What went wrong last with each duty: said once.
    private var failures: [String: String] = [:]

    public init(pool: Pool, registry: PoolRegistry, events: EventLog, logger: Logger) {
        self.pool = pool
        self.registry = registry
        self.events = events
        self.logger = logger
    }

    /// Looks at the devices now and every five seconds, and for what else is due each minute, until it is cancelled.
    public func run() async throws {
        for round in 0... {
            await watchDevices()
            if round % 12 == 0 {
                await scrubIfDue()
                await keepReserve()
                await noteUsage()
            }
            await refreshUsage()
            try await Task.sleep(for: .seconds(5))
        }
    }

    private func watchDevices() async {
        let (pool, registry) = (pool, registry)
        _ = await trying("compare the devices' commits") { try registry.noteDeviceUse(of: pool, at: Int64(time(nil))) }
        guard let health = await trying("look at devices", { try pool.health(in: registry) }) else { return }
        let now = Dictionary(health.problems.map { ($0.subject, $0) }) { first, _ in first }
        for (subject, problem) in now where problems[subject]?.kind != problem.kind {
            switch problem {
            case .device: record("device \(problem.kind)", "\(problem)")
            case .content: record("copies missing", "\(problem)")
            case .unchecked: record("checksums off", "\(problem)")
            }
        }
        for (subject, old) in problems where now[subject] == nil {
            switch old {
            case .device(let device):
                let isThere = health.devices.contains { $0.id == device.device }
                record(
                    "device healthy",
                    "\(subject) was \(old.kind) and \(isThere ? "is healthy" : "is no part of the pool any more")")
            case .content(let thin): record("copies complete", "all \(subject) has the profile \(thin.wanted.rawValue)")
            case .unchecked(let option): record("checksums on", "the pool isn't mounted with \(option) any more")
            }
        }
        if now.isEmpty != problems.isEmpty {
            record(now.isEmpty ? "healthy" : "degraded", now.isEmpty ? "all devices are" : "see: dish pool show \(pool.path)")
        }
        problems = now
    }

    private func scrubIfDue() async {
        guard scrub == nil else { return }
        let (pool, registry) = (pool, registry)
        let isDue = await trying("look for the schedule of scrubs") {
            guard let every = try registry.entries().first(where: { $0.path == pool.path })?.settings?.scrubEvery else {
                return false
            }
            return try ScrubHistory(of: pool, in: registry).isDue(every: every, now: Int64(time(nil)))
                && pool.scrubStatus() == nil
        }
        guard isDue == true else { return }
        record("scrub", "by its schedule")
        scrub = Task {
            let ended = await trying("scrub") {
                let ended = try pool.scrub(by: "schedule")
                try ScrubHistory(of: pool, in: registry).add(ended)
                return ended
            }
            if let ended {
                record(
                    ended.isBad ? "damaged" : "scrubbed",
                    "\(ended.outcome.rawValue): \(ended.found.corrected) errors corrected, \(ended.found.uncorrectable) not\(ended.failure.map { "; \($0)" } ?? "")"
                )
            }
            scrub = nil
        }
    }

    /// Pools of older versions have none, and removals in a full pool spend it.
    private func keepReserve() async {
        let pool = pool
        _ = await trying("keep room for removals") { try pool.keepReserve() }
    }

    private func noteUsage() async {
        let (pool, registry) = (pool, registry)
        _ = await trying("note the pool's usage") { try pool.noteUsage(in: registry, at: Int64(time(nil))) }
    }

    /// Once a minute at most, and at most a hundredth of the time.
    private func refreshUsage() async {
        guard ContinuousClock.now >= nextRefresh else { return }
        let pool = pool
        let begun = ContinuousClock.now
        _ = await trying("bring the index of the pool's usage up to date") {
            // Others' work comes first; the thread is this call's own.
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
            return try pool.refreshUsageIfChanged(within: .milliseconds(300))
        }
        nextRefresh = .now + max(.seconds(60), (.now - begun) * 100)
    }

    private func record(_ what: String, _ reason: String) {
        events.record(.pool, pool.path, what, reason: reason)
        logger.info("pool", metadata: ["pool": "\(pool.path)", "what": "\(what)", "reason": "\(reason)"])
    }

    private func trying<Result: Sendable>(
        _ duty: String, _ body: @escaping @Sendable () throws -> Result
    ) async -> Result? {
        do {
            let result = try await blocking(body)
            failures[duty] = nil
            return result
        } catch {
            if failures.updateValue("\(error)", forKey: duty) != "\(error)" {
                logger.error("\(duty)", metadata: ["pool": "\(pool.path)", "error": "\(error)"])
            }
            return nil
        }
    }
}
