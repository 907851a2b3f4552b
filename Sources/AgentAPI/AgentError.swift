public import Spec

/// An error of the agent as it crosses the API: a code that callers switch on and a sentence for people.
public struct AgentError: Error, Codable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// The request makes no sense (HTTP 400).
        case invalid
        /// There is no such task or image (404).
        case notFound
        /// A name or port is taken, or the task is in the wrong state (409).
        case conflict
        /// The host has not enough left to set aside what is asked for (409).
        case insufficient
        /// Whoever asks may not (403).
        case forbidden
        /// The path doesn't take this method (405).
        case methodNotAllowed
        /// It has changed since the caller looked (412).
        case changed
        /// The body is too large (413).
        case tooLarge
        /// The body isn't JSON by its own account (415).
        case notJSON
        /// The host can't enforce a limit (422).
        case unenforceable
        /// A request that can't be written down, so nothing was done: a file system is full or read-only (507).
        case unwritable
        /// Something on the host failed (500).
        case failed
    }

    public let code: Code
    public let message: String
    /// The path of the field that is wrong, where it is one: `limits.memory`, `health[0].tcp`, `?seconds`.
    public let field: String?
    /// The message without the field's name, for which a program may have another word; nil for one that doesn't begin with it.
    public let reason: String?

    public init(_ code: Code, _ message: String, field: String? = nil) {
        (self.code, self.message, self.field, reason) = (code, message, field, nil)
    }

    /// - Parameter field: the name that the message begins with.
    public init(_ code: Code, _ reason: String, at field: String) {
        (self.code, message, self.field, self.reason) = (code, "\(field): \(reason)", field, reason)
    }

    public var description: String { message }
}

extension AgentError {
    /// A setting that can't be so.
    ///
    /// - Parameter place: the field that the settings are the value of: `limits`; empty for the request itself.
    public init(_ fault: FieldFault, in place: String) {
        let path = [place, fault.path].filter { !$0.isEmpty }.joined(separator: ".")
        self.init(.invalid, fault.reason, at: path)
    }
}

/// What `GET /v1/agent` answers.
public struct AgentStatus: Sendable, Codable, Equatable {
    public var version: String
    public var pid: Int
    public var pool: String

    public init(version: String, pid: Int, pool: String) {
        self.version = version
        self.pid = pid
        self.pool = pool
    }
}

/// What `POST /v1/tasks/NAME/stop` takes.
public struct StopRequest: Sendable, Codable, Equatable {
    /// Seconds until what is left is killed.
    public var timeout: UInt32

    public init(timeout: UInt32) {
        self.timeout = timeout
    }
}

/// Where the agent listens and keeps its state, unless it is told otherwise.
public enum AgentDefaults {
    public static let stateDirectory = "/var/lib/dish"
    public static let runtimeDirectory = "/run/dish"
    public static let version = "0.1.0"

    public static func socket(in runtimeDirectory: String) -> String { "\(runtimeDirectory)/dishd.sock" }
}
