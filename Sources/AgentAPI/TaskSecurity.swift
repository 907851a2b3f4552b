/// What a task may ask of the kernel beside what everybody may (docs/security.md, "Capabilities and system calls").
public enum TaskSecurity: String, Sendable, Codable, CaseIterable {
    /// What a booted system needs for one that is booted; for a command, what programs of one purpose need.
    case `default`
    /// For a command: no capability, no way to get one.
    case confined
    /// What a booted system needs, for a command too.
    case system
}

/// Capabilities that a task has beside, or has not of, those that its security gives it: `NET_RAW`, `CAP_NET_RAW`.
public struct TaskCapabilities: Sendable, Codable, Equatable {
    public var add: [String] = []
    /// `all` for all but those that are added.
    public var drop: [String] = []

    public init(add: [String] = [], drop: [String] = []) {
        self.add = add
        self.drop = drop
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        add = try values.decodeIfPresent([String].self, forKey: .add) ?? []
        drop = try values.decodeIfPresent([String].self, forKey: .drop) ?? []
    }
}
