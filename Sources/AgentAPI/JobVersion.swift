public import Spec

/// A description of a job as it was given once; it never changes.
public struct JobVersion: Sendable, Codable, Equatable {
    public enum Outcome: String, Sendable, Codable, CaseIterable {
        case pending
        /// All its replicas were ready together.
        case healthy
        /// A batch of it wasn't ready within the deadline.
        case failed
    }

    /// From 1.
    public var number: Int
    public var spec: JobSpec
    /// The layer that the image's name stood for, in hexadecimal.
    public var layer: String
    /// Seconds since 1970.
    public var created: Int64
    /// Why it was made.
    public var reason: String
    public var outcome: Outcome
    /// Why it failed.
    public var outcomeReason: String?
    /// The version that it goes back to; nil for one that was applied.
    public var rollbackOf: Int?
    /// Whether the agent went back by itself.
    public var isAutomatic: Bool

    public init(
        number: Int, spec: JobSpec, layer: String, created: Int64, reason: String, rollbackOf: Int? = nil,
        isAutomatic: Bool = false
    ) {
        self.number = number
        self.spec = spec
        self.layer = layer
        self.created = created
        self.reason = reason
        outcome = .pending
        self.rollbackOf = rollbackOf
        self.isAutomatic = isAutomatic
    }
}

/// What `PUT /v1/jobs/NAME` and `POST …/rollback` answer.
public struct JobChange: Sendable, Codable, Equatable {
    /// A field that differs; nil where there is none.
    public struct Field: Sendable, Codable, Equatable {
        /// Like `task.environment.LEVEL` or `update.batch`.
        public var path: String
        public var from: String?
        public var to: String?

        public init(path: String, from: String?, to: String?) {
            self.path = path
            self.from = from
            self.to = to
        }
    }

    public enum Kind: String, Sendable, Codable, CaseIterable {
        case created, changed, unchanged
        /// It was stopped, and is started again.
        case started
    }

    public var name: String
    public var kind: Kind
    /// The version it has, or would get.
    public var version: Int
    public var fields: [Field]
    /// Whether replicas are replaced, rather than kept.
    public var replacesReplicas: Bool

    public init(name: String, kind: Kind, version: Int, fields: [Field], replacesReplicas: Bool) {
        self.name = name
        self.kind = kind
        self.version = version
        self.fields = fields
        self.replacesReplicas = replacesReplicas
    }
}

/// What `POST /v1/jobs/NAME/rollback` takes.
public struct JobRollbackRequest: Sendable, Codable, Equatable {
    /// Nil: the last healthy one before the target.
    public var version: Int?

    public init(version: Int?) {
        self.version = version
    }
}
