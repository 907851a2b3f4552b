/// Something that happened on a host.
public struct AgentEvent: Sendable, Codable, Equatable {
    /// What kind of thing it happened to.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        case agent, task, job, volume, image, host, secret, pool, operation
    }

    /// Grows with each event, without gaps, also over restarts of the agent.
    public var sequence: UInt64
    /// Milliseconds since 1970.
    public var time: Int64
    public var kind: Kind
    /// The object's name.
    public var name: String
    /// The object's id, where it has one beside its name.
    public var id: String?
    /// What happened, in a word or two: `created`, `started`, `exited`, `restarting`.
    public var what: String
    /// Why: who asked for it, or what made it necessary.
    public var reason: String

    public init(sequence: UInt64, time: Int64, kind: Kind, name: String, id: String?, what: String, reason: String) {
        self.sequence = sequence
        self.time = time
        self.kind = kind
        self.name = name
        self.id = id
        self.what = what
        self.reason = reason
    }
}
