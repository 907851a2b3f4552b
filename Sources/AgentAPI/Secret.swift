/// What `PUT /v1/secrets/NAME` takes.
public struct SecretRequest: Sendable, Codable, Equatable {
    /// The content, in base64.
    public var value: String
    /// True if it takes the place of one with another content; nil for yes.
    public var replace: Bool?

    public init(value: String, replace: Bool? = nil) {
        self.value = value
        self.replace = replace
    }
}

/// What is told of a secret that the host keeps; never its content.
public struct SecretStatus: Sendable, Codable, Equatable {
    public var name: String
    /// Bytes.
    public var size: Int
    /// Seconds since 1970.
    public var changed: Int64
    /// Names of tasks and jobs that it is given to.
    public var usedBy: [String]

    public init(name: String, size: Int, changed: Int64, usedBy: [String]) {
        self.name = name
        self.size = size
        self.changed = changed
        self.usedBy = usedBy
    }
}

/// Secrets.
extension AgentClient {
    public func secrets() async throws -> [SecretStatus] { try await get("/v1/secrets") }

    /// Keeps a secret: tasks see it from their next start on.
    ///
    /// - Parameter replaces: whether one with another content is replaced; else it is refused.
    public func put(secret name: String, base64 value: String, replaces: Bool = true) async throws -> SecretStatus {
        try await send("PUT", "/v1/secrets/\(percentEncode(name))", body: SecretRequest(value: value, replace: replaces))
    }

    public func remove(secret name: String) async throws {
        _ = try await execute("DELETE", "/v1/secrets/\(percentEncode(name))", body: nil)
    }
}
