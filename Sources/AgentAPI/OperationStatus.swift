public import Spec

/// Something that the agent was asked for and that takes its time (docs/architecture.md, "Operations").
public struct OperationStatus: Sendable, Codable, Equatable {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        case taskStart, taskStop, taskRestart, taskRollback, taskRemove
        case jobApply, jobStop, jobRollback, jobRemove
        case packagePull
    }

    public enum State: String, Sendable, Codable, CaseIterable {
        case running
        /// Somebody wants it not to have happened.
        case cancelling
        case done, failed, cancelled
        /// The agent ended in the middle of it; the next one goes on with what was written down.
        case interrupted

        public var hasEnded: Bool { self != .running && self != .cancelling }
    }

    /// How far it is.
    public struct Progress: Sendable, Codable, Equatable {
        public enum Unit: String, Sendable, Codable, CaseIterable {
            case bytes, replicas
        }

        public var done: UInt64
        public var total: UInt64
        public var unit: Unit

        public init(done: UInt64, total: UInt64, unit: Unit) {
            self.done = done
            self.total = total
            self.unit = unit
        }
    }

    /// 12 hexadecimal digits.
    public var id: String
    public var kind: Kind
    /// The path of what it is about: `/v1/jobs/web`.
    public var target: String
    public var state: State
    /// Who asked for it.
    public var by: String
    /// Whether whoever asked didn't wait: it is told of for an hour after its end.
    public var isBackground: Bool
    /// Milliseconds since 1970.
    public var started: Int64
    public var ended: Int64?
    /// What it is doing.
    public var step: String?
    public var progress: Progress?
    /// Whether it can be cancelled now.
    public var canCancel: Bool
    /// Why it failed.
    public var error: AgentError?
    /// What the request would have been answered.
    public var result: JSONValue?

    public init(
        id: String, kind: Kind, target: String, state: State = .running, by: String, isBackground: Bool, started: Int64
    ) {
        self.id = id
        self.kind = kind
        self.target = target
        self.state = state
        self.by = by
        self.isBackground = isBackground
        self.started = started
        canCancel = false
    }
}
