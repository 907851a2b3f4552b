import AgentAPI
import Linux
import Spec

/// Changes of jobs that somebody waits for, and their way back.
extension JobManager {
    /// Returns once all replicas are ready that a change brings. Who cancels that gets the job as it was before.
    ///
    /// - Throws: `AgentError` when the version failed, or somebody wants something else by now.
    func waitUntilReady(_ change: JobChange, from before: Job?, because: String) async throws {
        let name = change.name
        let operation = RunningOperation.current
        operation?.allowCancelling { try await self.takeBack(change, before, because: "cancelled; \(because)") }
        while true {
            let now = try? await status(name)
            // What it is by now may be of the cancelling.
            try await operation?.checkCancellation()
            guard let status = now, let job = jobs[name]?.job else {
                throw AgentError(.conflict, "the job '\(name)' was removed meanwhile")
            }
            operation?.note(status)
            guard status.version == change.version else { throw Self.overtaken(change, job) }
            switch status.state {
            case .running: return try await operation?.commit() ?? ()
            case .failed:
                throw AgentError(
                    .conflict,
                    "version \(status.version) of the job '\(name)' is not ready: \(status.reason ?? ""); it is tried on")
            case .stopped, .stopping, .removing:
                throw AgentError(.conflict, "the job '\(name)' is \(status.state.rawValue): somebody else asked for it")
            case .waiting, .updating, .degraded: break
            }
            try await changes.wait(until: .now + .seconds(5))
        }
    }

    /// Another version came in the place of one that was waited for.
    private static func overtaken(_ change: JobChange, _ job: Job) -> AgentError {
        guard let failed = job.version(change.version), failed.outcome == .failed else {
            return AgentError(.conflict, "somebody else applied version \(job.target.number) of the job '\(job.name)' meanwhile")
        }
        let back = job.versions.first { $0.number > failed.number && $0.isAutomatic }?.rollbackOf
        return AgentError(
            .conflict,
            "version \(failed.number) of the job '\(job.name)' failed and was rolled back\(back.map { " to version \($0)" } ?? ""): \(failed.outcomeReason ?? "")"
        )
    }

    /// Makes a job what it was before a change, unless somebody wants something else by now.
    private func takeBack(_ change: JobChange, _ before: Job?, because: String) async throws {
        guard change.kind != .unchanged, let found = changed(change) else { return }
        var job = found
        guard let before else {
            job.isRemoved = true
            return try await put(job, "removed", because)
        }
        if change.kind == .changed, let earlier = job.version(before.target.number) {
            let version = try await version(like: earlier, of: job, reason: "version \(change.version) was cancelled")
            guard let found = changed(change) else { return }
            job = found
            try job.add(version)
        }
        job.isStopped = before.isStopped
        try await put(job, before.isStopped ? "stopped" : "rolled back", because)
    }

    /// A job as a change left it; nil when somebody wants something else by now.
    private func changed(_ change: JobChange) -> Job? {
        guard let job = jobs[change.name]?.job, job.target.number == change.version, !job.isRemoved, !job.isStopped else {
            return nil
        }
        return job
    }

    /// Has a job's replicas wanted again that were being ended.
    func want(_ name: String) async throws {
        guard var job = jobs[name]?.job, job.isStopped, !job.isRemoved else { return }
        job.isStopped = false
        try await put(job, "started", "ending its replicas was cancelled")
    }
}

extension RunningOperation {
    /// Says how a job is.
    func note(_ job: JobStatus) {
        let isEnding = job.wanted == 0
        let total = UInt64(isEnding ? job.spec.replicas : job.wanted)
        let done = UInt64(isEnding ? max(0, job.spec.replicas - job.replicas.count) : job.updated)
        let reason = job.reason.map { ": \($0)" } ?? ""
        note("\(job.state.rawValue)\(reason)", .init(done: min(done, total), total: total, unit: .replicas))
    }
}
