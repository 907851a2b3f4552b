/// The host: images of registries, its scheduler, whether it takes tasks.
extension AgentClient {
    /// - Parameters:
    ///   - revision: the last answer's: the next one comes when it has changed.
    ///   - seconds: or after so many seconds.
    public func packages(after revision: UInt64? = nil, seconds: Int = 0) async throws -> PackagesStatus {
        try await get("/v1/packages" + (revision.map { "?after=\($0)&seconds=\(seconds)" } ?? ""))
    }

    /// Has images fetched, without waiting for it.
    public func prepull(_ request: PackageRequest) async throws -> PackagesStatus {
        try await send("POST", "/v1/packages", body: request)
    }

    /// What the scheduler was last told.
    public func heartbeat() async throws -> HostHeartbeat { try await get("/v1/heartbeat") }

    /// Ends the replicas of jobs, and lets nothing new begin until `undrain`.
    public func drain(reason: String?) async throws -> HostCapacity {
        try await send("POST", "/v1/host/drain", body: DrainRequest(reason: reason))
    }

    public func undrain() async throws -> HostCapacity { try await send("POST", "/v1/host/undrain", body: [String]()) }

    /// Ends the attempts to fetch an image.
    public func forget(package reference: String) async throws {
        _ = try await execute("DELETE", "/v1/packages?reference=\(percentEncode(reference))", body: nil)
    }
}
