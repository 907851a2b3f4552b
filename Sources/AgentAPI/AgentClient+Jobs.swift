public import Spec

/// Jobs.
extension AgentClient {
    public func jobs() async throws -> [JobStatus] { try await get("/v1/jobs") }

    public func job(_ name: String) async throws -> JobStatus { try await get(path(name)) }

    /// Makes a job as it is described, or says what that would change.
    public func apply(_ job: JobSpec, dryRun: Bool = false) async throws -> JobChange {
        try await send("PUT", path(job.name) + (dryRun ? "?dry-run=true" : ""), body: job)
    }

    /// Returns once the job is not what the caller knows any more, or after so many seconds.
    public func wait(_ known: JobStatus, seconds: Int) async throws -> JobStatus {
        try await send("POST", "\(path(known.name))/wait?seconds=\(seconds)", body: known)
    }

    /// Ends a job's replicas and returns once they have ended.
    public func stop(job name: String) async throws -> JobStatus {
        try await send("POST", "\(path(name))/stop", body: [String]())
    }

    /// - Parameter version: nil for the last healthy one before the target.
    public func rollback(job name: String, to version: Int?) async throws -> JobChange {
        try await send("POST", "\(path(name))/rollback", body: JobRollbackRequest(version: version))
    }

    /// A job's versions, the newest first.
    public func history(job name: String) async throws -> [JobVersion] { try await get("\(path(name))/history") }

    /// Ends a job's replicas and forgets it; returns once nothing of it is left.
    public func remove(job name: String) async throws { _ = try await execute("DELETE", path(name), body: nil) }

    private func path(_ name: String) -> String { "/v1/jobs/\(percentEncode(name))" }
}
