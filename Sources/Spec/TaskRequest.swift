/// A task to start: the body of `POST /v1/tasks`.
public struct TaskRequest: Settings {
    public enum Network: String, Sendable, Codable, CaseIterable {
        /// An address of its own in the agent's network.
        case `private`
        /// The host's interfaces.
        case host
        /// A loopback interface and nothing else.
        case none
    }

    public var name: String?
    public var image: String
    public var pool: String?
    /// Nil: the image's init or command.
    public var command: [String]?
    public var environment: [String: String] = [:]
    /// Nil: the image's.
    public var user: String?
    public var directory: String?
    public var limits = Limits()
    public var `class` = TaskClass.burstable
    public var bestEffort = false
    public var network = Network.private
    public var publish: [PublishedPort] = []
    public var allowedMounts: [String] = []
    public var volumes: [VolumeMount] = []
    public var userNamespace = true
    public var security = TaskSecurity.default
    public var capabilities = TaskCapabilities()
    public var terminal = false
    public var interactive = false
    public var attach = false
    public var removeWhenDone = false
    public var restart = RestartPolicy()
    public var health: [HealthCheck] = []
    /// The job it belongs to; nil for a task of its own.
    public var owner: TaskOwner?
    /// Nil: the image's.
    public var stopSignal: String?
    public var secrets: [SecretUse] = []
    /// In base64; the agent stores them apart and never reports them (docs/secrets.md).
    public var secretValues: [String: String]?

    public init() { self.init(image: "") }

    public init(image: String) {
        self.image = image
    }
}

extension TaskRequest {
    public static let name = "TaskRequest"
    public static let about = "A task to start."
    public static let fields: [Field<TaskRequest>] = [
        .text("name", \.name, .any, default: "made from the image's name", "Name: letters, digits and dashes, 63 at most."),
        .text(
            "image", \.image, .imageName, 1...1000, default: "",
            "Image: a label, a name, a layer id, or `HOST/NAME:TAG` of a registry."
        )
        .required(),
        .text(
            "pool", \.pool, .any, default: "the agent's", "Path of the pool. Fails if the agent uses another one."),
        .texts(
            "command", \.command, .any, 0...131_071, count: 1...1000, default: "the image's init or command",
            "Program and arguments."),
        .table(
            "environment", \.environment, names: .variable, 0...131_071, atMost: 1000,
            "Environment variables. They are visible in the task's status: use `secrets` for secrets."),
        .text("user", \.user, .any, 0...256, default: "the image's", "User of the command: `USER` or `USER:GROUP`."),
        .text("directory", \.directory, .absolutePath, default: "the image's", "Working directory of the command."),
        .word(
            "network", \.network, default: "`private`", "Network: an own address, the host's interfaces, or loopback only."),
        .written(
            "publish", \.publish, atMost: 1000,
            "Published ports: `[ADDRESS:]HOST:TASK[/udp]`. A job's ports are balanced over its ready replicas."
        ),
        .written(
            "volumes", \.volumes, atMost: 1000,
            "Volumes: `NAME:/path`, or `NAME:/path:ro` for read-only."),
        .texts(
            "allowedMounts", \.allowedMounts, .absolutePath, 1...4096, count: 0...1000,
            "Paths of the host that the image may mount, including everything below."
        ).older("allow_mounts"),
        .written(
            "secrets", \.secrets, atMost: 100,
            "Secrets of the host (`dish secret create`) passed as credentials: `NAME` or `CREDENTIAL=NAME`."),
        .settings("limits", \.limits, default: "none", "Resource limits."),
        .word("class", \.class, default: "`burstable`", "Quality of service when resources are short."),
        .flag(
            "bestEffort", \.bestEffort, default: "`false`",
            "Ignore limits that the host cannot enforce, instead of failing."),
        .flag(
            "userNamespace", \.userNamespace, default: "`true`",
            "Map user ids to an own range. Without it, root inside is root of the host."),
        .word(
            "security", \.security, default: "`default`",
            "Capabilities and system calls: `default` (enough for a service, or for the init of a booted image), `confined` (none), `system` (enough for an init, also for a command)."
        ),
        .settings("capabilities", \.capabilities, default: "none", "Capabilities to add to and drop from those of `security`."),
        .settings(
            "restart", \.restart, default: "`no`, for a job `always`", "Restart policy."),
        .list("health", \.health, atMost: 100, "Health checks."),
        .text(
            "stopSignal", \.stopSignal, .signal, 1...32, default: "the image's",
            "Signal that stops a command, like `SIGTERM`. A booted system is shut down instead."),
        .flag("terminal", \.terminal, default: "`false`", "Allocate a terminal for the command."),
        .flag("interactive", \.interactive, default: "`false`", "Keep standard input open."),
        .flag("attach", \.attach, default: "`false`", "Hold output back until a client attaches."),
        .flag("removeWhenDone", \.removeWhenDone, default: "`false`", "Remove the task when it ends."),
        .optional("owner", \.owner, "Job that the task belongs to."),
        .table(
            "secretValues", \.secretValues, names: .any, 0...1_400_000, atMost: 100,
            "Credentials of the task by name, in base64. Never reported again."),
    ]
}
