import FoundationEssentials
import Glibc
import Linux

/// Talks to `dishd` over its Unix socket.
public struct AgentClient: Sendable {
    /// Path of the socket.
    public let socket: String

    public init(socket: String) {
        self.socket = socket
    }

    public func status() async throws -> AgentStatus { try await get("/v1/agent") }

    public func tasks() async throws -> [TaskStatus] { try await get("/v1/tasks") }

    /// - Parameter name: a task's name or id, or the beginning of its id.
    public func task(_ name: String) async throws -> TaskStatus { try await get("/v1/tasks/\(percentEncode(name))") }

    /// Prepares and starts a task; returns once its helper has it.
    public func start(_ request: TaskRequest) async throws -> TaskStatus {
        try await send("POST", "/v1/tasks", body: request)
    }

    /// Returns once the task has one of the states, or has ended, or after so many seconds.
    public func wait(_ name: String, for state: TaskStatus.State, seconds: Int) async throws -> TaskStatus {
        try await get("/v1/tasks/\(percentEncode(name))/wait?state=\(state.rawValue)&seconds=\(seconds)")
    }

    /// Returns once nothing is left of a task that is removed when it ends.
    public func waitUntilRemoved(_ name: String, seconds: Int) async throws {
        _ = try await execute("GET", "/v1/tasks/\(percentEncode(name))/wait-removed?seconds=\(seconds)", body: nil)
    }

    /// Ends a task and returns once it has ended.
    public func stop(_ name: String, timeout: UInt32) async throws -> TaskStatus {
        try await send("POST", "/v1/tasks/\(percentEncode(name))/stop", body: StopRequest(timeout: timeout))
    }

    /// Removes a task and everything that is its own; with `force`, one that runs too.
    public func remove(_ name: String, force: Bool) async throws {
        _ = try await execute("DELETE", "/v1/tasks/\(percentEncode(name))?force=\(force)", body: nil)
    }

    func get<Result: Decodable>(_ path: String) async throws -> Result {
        try await decode(execute("GET", path, body: nil))
    }

    func send<Result: Decodable>(_ method: String, _ path: String, body: some Encodable) async throws -> Result {
        try await decode(execute(method, path, body: try JSONEncoder().encode(body)))
    }

    private func decode<Result: Decodable>(_ data: Data) throws -> Result {
        try JSONDecoder().decode(Result.self, from: data)
    }

    func execute(_ method: String, _ path: String, body: Data?) async throws -> Data {
        let http = UnixHTTP(socket: socket)
        let response: UnixHTTP.Response
        do {
            response = try await blocking { try http.exchange(method, path, body: body.map(Array.init), silence: 3600) }
        } catch let error as SystemError {
            let advice = error.code == EACCES ? "try again with sudo" : "start it: dishd"
            throw AgentError(.failed, "cannot reach the agent at \(socket): \(String(cString: strerror(error.code))); \(advice)")
        }
        guard (200..<300).contains(response.status) else {
            let data = Data(response.body)
            if let error = try? JSONDecoder().decode(AgentError.self, from: data) { throw error }
            throw AgentError(
                .failed,
                "the agent at \(socket) answered with status \(response.status): \(String(decoding: response.body, as: UTF8.self))"
            )
        }
        return Data(response.body)
    }
}

/// RFC 3986: everything but unreserved characters as `%XX`.
func percentEncode(_ text: String) -> String {
    text.utf8.map { byte in
        let letter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        let digit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        if letter || digit || "-._~".utf8.contains(byte) { return String(Unicode.Scalar(byte)) }
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
    }.joined()
}
