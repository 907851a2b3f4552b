import FoundationEssentials
import Linux
public import Spec
import Synchronization

/// Talks to `dishd`: over its Unix socket, or from elsewhere over TLS.
public struct AgentClient: Sendable {
    private let transport: any AgentTransport
    /// Addresses of agents that have answered this program.
    private static let answered = Mutex<Set<String>>([])

    /// - Parameter socket: path of the socket.
    public init(socket: String) { transport = UnixHTTP(socket: socket) }

    public init(_ agent: RemoteAgent) { transport = CurlHTTP(agent: agent) }

    public func status() async throws -> AgentStatus { try await get("/v1/agent") }

    public func tasks() async throws -> [TaskStatus] { try await get("/v1/tasks") }

    /// - Parameter name: a task's name or id, or the beginning of its id.
    public func task(_ name: String) async throws -> TaskStatus { try await get("/v1/tasks/\(percentEncode(name))") }

    /// The console output of a task, or of one that was removed.
    ///
    /// - Parameters:
    ///   - cursor: of an earlier answer; `start` for all that is kept, nil for the last lines.
    ///   - lines: how many of the last ones.
    public func console(_ name: String, after cursor: String?, lines: Int = 2000) async throws -> ConsoleLines {
        let after = cursor.map { "&after=\(percentEncode($0))" } ?? ""
        return try await get("/v1/tasks/\(percentEncode(name))/console?lines=\(max(1, min(lines, 2000)))\(after)")
    }

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

    /// Starts a task again that has ended; returns once its helper has it.
    public func startAgain(_ name: String) async throws -> TaskStatus {
        try await decode(execute("POST", "/v1/tasks/\(percentEncode(name))/start", body: Data("{}".utf8)))
    }

    /// Has an event tell that somebody enters a task with all capabilities and no filter of system calls.
    public func reportPrivilegedEntry(_ name: String) async throws {
        _ = try await execute("POST", "/v1/tasks/\(percentEncode(name))/privileged-entry", body: Data("{}".utf8))
    }

    /// Ends a task and starts it again; returns once the new run's helper has it.
    public func restart(_ name: String, timeout: UInt32) async throws -> TaskStatus {
        try await send("POST", "/v1/tasks/\(percentEncode(name))/restart", body: StopRequest(timeout: timeout))
    }

    /// Keeps what is in a task's root file system now.
    public func snapshot(_ name: String, as snapshot: String?) async throws -> TaskSnapshotStatus {
        try await send("POST", "/v1/tasks/\(percentEncode(name))/snapshots", body: SnapshotRequest(name: snapshot))
    }

    /// Oldest first.
    public func snapshots(_ name: String) async throws -> [TaskSnapshotStatus] {
        try await get("/v1/tasks/\(percentEncode(name))/snapshots")
    }

    public func removeSnapshot(_ snapshot: String, of name: String) async throws {
        _ = try await execute("DELETE", "/v1/tasks/\(percentEncode(name))/snapshots/\(percentEncode(snapshot))", body: nil)
    }

    /// Gives a task the root file system that it had; returns once it has it and, if it ran, a helper has it again.
    public func rollBack(_ name: String, to request: RollbackRequest) async throws -> TaskStatus {
        try await send("POST", "/v1/tasks/\(percentEncode(name))/rollback", body: request)
    }

    /// Events, oldest first, each with the line it was sent as.
    ///
    /// - Parameters:
    ///   - sequence: only those after this one.
    ///   - time: milliseconds since 1970: only those from then on.
    ///   - last: so many of the last ones that have happened; nil for all.
    ///   - object: a name or an id; nil for all.
    ///   - follows: whether to go on with those that happen from now on, until `onEvent` says false.
    public func events(
        after sequence: UInt64 = 0, from time: Int64? = nil, last: UInt64? = nil, object: String? = nil, follows: Bool,
        onEvent: @escaping @Sendable (AgentEvent, String) throws -> Bool
    ) async throws {
        var path = "/v1/events?since=\(sequence)&follow=\(follows)"
        if let time { path += "&from=\(time)" }
        if let last { path += "&last=\(last)" }
        if let object { path += "&object=\(percentEncode(object))" }
        let lines = Mutex(EventLines())
        let whole: AgentAnswer?
        do {
            whole = try await transport.stream(path, silence: 3600) { bytes in try lines.withLock { try $0.take(bytes, onEvent) }
            }
        } catch let away as AgentAway {
            throw AgentError(.failed, "\(away)")
        }
        guard let whole else { return }
        guard (200..<300).contains(whole.status) else { throw failure(whole) }
        _ = try lines.withLock { try $0.take(whole.body, onEvent) }
    }

    /// The OpenAPI document, as JSON.
    public func document() async throws -> [UInt8] { Array(try await execute("GET", "/v1/openapi.json", body: nil)) }

    public func host() async throws -> HostCapacity { try await get("/v1/host") }

    /// What the host and all tasks that haven't ended use.
    public func usage() async throws -> HostUsage { try await get("/v1/stats") }

    public func usage(of name: String) async throws -> TaskUsage { try await get("/v1/tasks/\(percentEncode(name))/stats") }

    /// Changes a task's limits, of one that runs at once.
    public func update(_ name: String, _ change: LimitsChange) async throws -> TaskStatus {
        try await send("PATCH", "/v1/tasks/\(percentEncode(name))/limits", body: change)
    }

    /// Ends a task and returns once it has ended.
    public func stop(_ name: String, timeout: UInt32) async throws -> TaskStatus {
        try await send("POST", "/v1/tasks/\(percentEncode(name))/stop", body: StopRequest(timeout: timeout))
    }

    /// Removes a task and everything that is its own; with `force`, one that runs too; with `purge`, with its
    /// logs, which are kept for a time otherwise.
    public func remove(_ name: String, force: Bool, purge: Bool = false) async throws {
        _ = try await execute("DELETE", "/v1/tasks/\(percentEncode(name))?force=\(force)&purge=\(purge)", body: nil)
    }

    func get<Result: Decodable>(_ path: String) async throws -> Result {
        try await decode(execute("GET", path, body: nil))
    }

    func send<Result: Decodable>(_ method: String, _ path: String, body: some Encodable) async throws -> Result {
        try await decode(execute(method, path, body: try JSONEncoder().encode(body)))
    }

    func decode<Result: Decodable>(_ data: Data) throws -> Result {
        do {
            return try JSONDecoder().decode(Result.self, from: data)
        } catch {
            throw AgentError(
                .failed, "the agent at \(transport.place) answered with something else than was asked for: \(plainReason(error))")
        }
    }

    func execute(_ method: String, _ path: String, headers: [String] = [], body: Data?) async throws -> Data {
        let (answer, isRepeated) = try await exchange(method, path, headers: headers, body: body)
        // The agent that is gone had done it.
        if isRepeated, method == "DELETE", answer.status == 404 { return Data("{}".utf8) }
        guard (200..<300).contains(answer.status) else { throw failure(answer) }
        return Data(answer.body)
    }

    /// Asks, and asks the next agent again where one ends before it has answered: the same may be asked for twice, but for what makes
    /// something new each time, which has a key (docs/architecture.md, "Idempotency keys").
    private func exchange(
        _ method: String, _ path: String, headers: [String], body: Data?
    ) async throws -> (answer: AgentAnswer, isRepeated: Bool) {
        let makesSomething = method == "POST" && (path == "/v1/tasks" || path.hasSuffix("/snapshots"))
        let key = "Idempotency-Key: dish-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        let headers = headers + (makesSomething ? [key] : [])
        // One that has answered this program before is being replaced where nobody listens.
        var (lost, isRepeated) = (ContinuousClock.Instant?.none, false)
        while true {
            do {
                let answer = try await transport.exchange(
                    method, path, headers: headers, body: body.map(Array.init), silence: 3600)
                _ = Self.answered.withLock { $0.insert(transport.place) }
                return (answer, isRepeated)
            } catch is AgentLost {
                (lost, isRepeated) = (lost ?? .now, true)
            } catch let away as AgentAway {
                guard lost != nil || Self.answered.withLock({ $0.contains(transport.place) }) else {
                    throw AgentError(.failed, "\(away)")
                }
                lost = lost ?? .now
            }
            if let lost, ContinuousClock.now - lost > .seconds(30) {
                throw AgentError(
                    .failed,
                    "the agent at \(transport.place) ended before it had answered, and none came in its place; start it: dishd")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private func failure(_ answer: AgentAnswer) -> AgentError {
        if let error = try? JSONDecoder().decode(AgentError.self, from: Data(answer.body)) { return error }
        return AgentError(
            .failed,
            "the agent at \(transport.place) answered with status \(answer.status): \(String(decoding: answer.body, as: UTF8.self))"
        )
    }
}

/// Events from lines of JSON, however the network has cut them.
private struct EventLines {
    private var rest: [UInt8] = []

    mutating func take(_ bytes: [UInt8], _ onEvent: (AgentEvent, String) throws -> Bool) throws -> Bool {
        rest += bytes
        let whole = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let lines = rest[..<whole].split(separator: UInt8(ascii: "\n"))
        defer { rest.removeFirst(whole) }
        for line in lines {
            let event: AgentEvent
            do {
                event = try JSONDecoder().decode(AgentEvent.self, from: Data(line))
            } catch {
                throw AgentError(.failed, "the agent sent something else than an event: \(plainReason(error))")
            }
            if try !onEvent(event, String(decoding: line, as: UTF8.self)) { return false }
        }
        return true
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
