import AgentAPI

/// Follows a job and says what becomes of it, on standard error.
struct JobWatch {
    private let agent: AgentClient
    private let name: String
    private let isQuiet: Bool

    init(_ agent: AgentClient, _ name: String, isQuiet: Bool) {
        self.agent = agent
        self.name = name
        self.isQuiet = isQuiet
    }

    /// Returns once all replicas of a version are ready, or the job has been stopped or changed by somebody else.
    ///
    /// - Throws: `AgentError` when the version failed.
    func untilSettled(version: Int) async throws {
        try await follow { status in
            if status.version > version { try await explain(version, status) }
            switch status.state {
            case .running: return status.version == version
            case .failed:
                throw AgentError(
                    .failed,
                    "version \(status.version) of the job '\(name)' is not ready: \(status.reason ?? ""); it is tried on; see: dish job status \(name)"
                )
            case .stopped, .stopping:
                throw AgentError(.failed, "the job '\(name)' is \(status.state.rawValue); start it again: dish job apply FILE")
            case .removing: throw AgentError(.failed, "the job '\(name)' is being removed")
            case .waiting, .updating, .degraded: return false
            }
        }
    }

    /// Shows each change until a condition holds.
    func follow(until isEnough: (JobStatus) async throws -> Bool) async throws {
        var status = try await agent.job(name)
        var shown = ""
        while true {
            let line = status.line
            if line != shown, !isQuiet { print(printable(line), to: .errors) }
            shown = line
            if try await isEnough(status) { return }
            status = try await agent.wait(status, seconds: 60)
        }
    }

    /// Another version came in the place of the one that was waited for.
    private func explain(_ version: Int, _ status: JobStatus) async throws {
        let history = try await agent.history(job: name)
        guard let failed = history.first(where: { $0.number == version }), failed.outcome == .failed else {
            throw AgentError(.conflict, "somebody else applied version \(status.version) of the job '\(name)' meanwhile")
        }
        // What it went back to is waited for: then it is known how things are.
        let back = history.first { $0.number > version && $0.isAutomatic }
        throw AgentError(
            .failed,
            "version \(version) of the job '\(name)' failed and was rolled back\(back?.rollbackOf.map { " to version \($0)" } ?? ""): \(failed.outcomeReason ?? ""); see: dish job history \(name)"
        )
    }
}

extension JobStatus {
    /// One line that says how it is.
    var line: String {
        var text = "\(name): \(state.rawValue), version \(version), \(ready) of \(wanted) replicas ready"
        if let batch, let batches { text += ", batch \(batch) of \(batches)" }
        if let reason { text += " (\(reason))" }
        return text
    }
}
