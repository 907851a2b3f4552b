import FoundationEssentials
public import Spec

/// Operations: what takes its time.
extension AgentClient {
    /// Oldest first, with those that have ended within the last hour.
    public func operations() async throws -> [OperationStatus] { try await get("/v1/operations") }

    public func operation(_ id: String) async throws -> OperationStatus { try await get(path(id)) }

    /// Returns once it has ended, or after so many seconds.
    public func wait(operation id: String, seconds: Int) async throws -> OperationStatus {
        try await get("\(path(id))/wait?seconds=\(seconds)")
    }

    /// Has it cancelled; it has ended a moment later.
    public func cancel(operation id: String) async throws -> OperationStatus {
        try await decode(execute("DELETE", path(id), body: nil))
    }

    // MARK: In the background

    public func stopInBackground(_ task: String, timeout: UInt32) async throws -> OperationStatus {
        try await begin("POST", "/v1/tasks/\(percentEncode(task))/stop", StopRequest(timeout: timeout))
    }

    public func restartInBackground(_ task: String, timeout: UInt32) async throws -> OperationStatus {
        try await begin("POST", "/v1/tasks/\(percentEncode(task))/restart", StopRequest(timeout: timeout))
    }

    public func rollBackInBackground(_ task: String, to request: RollbackRequest) async throws -> OperationStatus {
        try await begin("POST", "/v1/tasks/\(percentEncode(task))/rollback", request)
    }

    /// Done when all replicas are ready.
    public func applyInBackground(_ job: JobSpec) async throws -> OperationStatus {
        try await begin("PUT", "/v1/jobs/\(percentEncode(job.name))?wait=true", job)
    }

    public func stopInBackground(job name: String) async throws -> OperationStatus {
        try await begin("POST", "/v1/jobs/\(percentEncode(name))/stop", [String]())
    }

    /// Done when all replicas are ready.
    public func rollbackInBackground(job name: String, to version: Int?) async throws -> OperationStatus {
        try await begin(
            "POST", "/v1/jobs/\(percentEncode(name))/rollback?wait=true", JobRollbackRequest(version: version))
    }

    private func begin(_ method: String, _ path: String, _ body: some Encodable) async throws -> OperationStatus {
        let answer = try await execute(
            method, path, headers: ["Prefer: respond-async"], body: try JSONEncoder().encode(body))
        return try decode(answer)
    }

    private func path(_ id: String) -> String { "/v1/operations/\(percentEncode(id))" }
}
