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
public struct TaskCapabilities: Settings {
    public var add: [String] = []
    public var drop: [String] = []

    public init() {}

    public init(add: [String] = [], drop: [String] = []) { (self.add, self.drop) = (add, drop) }

    public static let name = "TaskCapabilities"
    public static let about = "Capabilities, like `NET_RAW`."
    public static let fields: [Field<TaskCapabilities>] = [
        .texts("add", \.add, .capability, 1...40, count: 0...100, "Those it has beside what its security gives it."),
        .texts("drop", \.drop, .capability, 1...40, count: 0...100, "Those it hasn't; `all` for all that aren't added."),
    ]
}
