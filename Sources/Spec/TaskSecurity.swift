/// A preset of capabilities and system calls (docs/security.md, "Capabilities and system calls").
public enum TaskSecurity: String, Sendable, Codable, CaseIterable {
    /// Enough for a service; for a booted image, enough for its init.
    case `default`
    /// No capability and no way to gain one; for commands.
    case confined
    /// Enough for an init, also for a command.
    case system
}

/// Capabilities to add to and drop from those of a preset: `NET_RAW`, `CAP_NET_RAW`.
public struct TaskCapabilities: Settings {
    public var add: [String] = []
    public var drop: [String] = []

    public init() {}

    public init(add: [String] = [], drop: [String] = []) { (self.add, self.drop) = (add, drop) }

    public static let name = "TaskCapabilities"
    public static let about = "Capabilities, like `NET_RAW`."
    public static let fields: [Field<TaskCapabilities>] = [
        .texts("add", \.add, .capability, 1...40, count: 0...100, "Capabilities to add, like `SYS_PTRACE`."),
        .texts("drop", \.drop, .capability, 1...40, count: 0...100, "Capabilities to drop; `all` for all that are not added."),
    ]
}
