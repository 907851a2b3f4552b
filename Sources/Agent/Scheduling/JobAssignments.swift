import AgentAPI
import Logging
import Spec

/// Brings the host's jobs to what its scheduler assigned: each is applied once for each time it changes, and tried again until
/// that succeeds. What becomes of it then is the job's business, a rollback for instance.
actor JobAssignments {
    private let jobs: JobManager
    private let logger: Logger
    private var wanted: [String: JobSpec]?
    /// What was applied last of each.
    private var applied: [String: JobSpec] = [:]
    private var underWay: Set<String> = []
    /// Why some aren't as they were assigned.
    private(set) var failures: [String: String] = [:]
    private var attempts: [String: (count: Int, next: Int64)] = [:]

    init(jobs: JobManager, logger: Logger) {
        self.jobs = jobs
        self.logger = logger
    }

    /// Makes these all that is assigned.
    func want(_ assignments: [JobSpec]) async {
        // A name twice is a scheduler's mistake: the last one counts, as in a mapping.
        let next = Dictionary(assignments.map { ($0.name, $0) }) { $1 }
        for (name, spec) in next where wanted?[name] != spec { attempts[name] = nil }
        wanted = next
        failures = failures.filter { next[$0.key] != nil }
        await settle()
    }

    /// Begins what is to be done and isn't under way.
    func settle() async {
        guard let wanted else { return }
        let there = await jobs.assigned()
        for (name, spec) in wanted where !underWay.contains(name) && attempts[name]?.next ?? 0 <= HostClock.now {
            // After a restart of the agent, what is there as assigned was applied.
            if applied[name] == nil, there[name] == spec { applied[name] = spec }
            if applied[name] == spec, there[name] != nil { continue }
            begin(name) {
                _ = try await self.jobs.apply(spec, dryRun: false, because: "assigned by the scheduler", assigned: true)
            }
        }
        for name in there.keys where wanted[name] == nil && !underWay.contains(name) {
            begin(name) { try await self.jobs.remove(name, because: "the scheduler assigns it no more", assigned: true) }
        }
    }

    private func begin(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
        underWay.insert(name)
        let spec = wanted?[name]
        Task {
            do {
                try await body()
                applied[name] = spec
                failures[name] = nil
                attempts[name] = nil
            } catch {
                let count = (attempts[name]?.count ?? 0) + 1
                attempts[name] = (count, HostClock.now + PackagePolicy.backoff(after: count))
                failures[name] = "\(error)"
                logger.error("assigned job", metadata: ["job": "\(name)", "error": "\(error)"])
            }
            underWay.remove(name)
            // It may have changed meanwhile.
            if wanted?[name] != spec { await settle() }
        }
    }
}
