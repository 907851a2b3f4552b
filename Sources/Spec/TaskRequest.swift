/// What `POST /v1/tasks` takes: a task to be started.
public struct TaskRequest: Settings {
    public enum Network: String, Sendable, Codable, CaseIterable {
        /// An address of its own in the agent's network.
        case `private`
        /// The host's interfaces.
        case host
        /// A loopback interface and nothing else.
        case none
    }

    /// Letters, digits and dashes, 63 at most; nil: made from the image's name.
    public var name: String?
    /// A label, a name or a layer id.
    public var image: String
    /// The pool the client asked for; nil: the agent's.
    public var pool: String?
    /// What runs; nil: the image's init.
    public var command: [String]?
    public var environment: [String: String] = [:]
    /// The user inside that the command runs as; nil: root.
    public var user: String?
    public var directory: String?
    public var limits = Limits()
    /// How it stands to others when something runs short.
    public var `class` = TaskClass.burstable
    /// Whether limits that the host can't enforce are left out instead of refused.
    public var bestEffort = false
    public var network = Network.private
    /// Published ports: `8080:80`, `127.0.0.1:8080:80/tcp`.
    public var publish: [PublishedPort] = []
    /// Paths of the host which the image may mount, with what is below them.
    public var allowedMounts: [String] = []
    /// Volumes and where the task sees them: `data:/srv/data`, `data:/srv/data:ro`.
    public var volumes: [VolumeMount] = []
    /// Whether the task has its own range of user ids.
    public var userNamespace = true
    /// What it may ask of the kernel.
    public var security = TaskSecurity.default
    public var capabilities = TaskCapabilities()
    /// Whether the command has a terminal.
    public var terminal = false
    /// Whether standard input stays open for whoever attaches.
    public var interactive = false
    /// Whether output waits for the first client that attaches.
    public var attach = false
    /// Whether the task is removed when it ends.
    public var removeWhenDone = false
    /// Whether it is started again when it ends by itself.
    public var restart = RestartPolicy()
    public var health: [HealthCheck] = []
    /// The job it belongs to; nil for a task of its own.
    public var owner: TaskOwner?
    /// What asks a command to end, like `SIGTERM`; nil: what the image says.
    public var stopSignal: String?
    /// Secrets of the host that it sees as credentials: `NAME`, or `CREDENTIAL=NAME` (docs/secrets.md).
    public var secrets: [SecretUse] = []
    /// Credentials of its own by name, in base64; the agent keeps them apart, and never tells them.
    public var secretValues: [String: String]?

    public init() { self.init(image: "") }

    public init(image: String) {
        self.image = image
    }
}

extension TaskRequest {
    public static let name = "TaskRequest"
    public static let about = "A task to be started."
    public static let fields: [Field<TaskRequest>] = [
        .text("name", \.name, .any, default: "made from the image's name", "Letters, digits and dashes, 63 at most."),
        .text(
            "image", \.image, .imageName, 1...1000, default: "",
            "A label, a name or a layer id, or an image of a registry as `HOST/NAME:TAG`."
        )
        .required(),
        .text(
            "pool", \.pool, .any, default: "the agent's", "The pool that the client means; another than the agent's is refused."),
        .texts(
            "command", \.command, .any, 0...131_071, count: 1...1000, default: "the image's init or command",
            "What runs, program and arguments."),
        .table(
            "environment", \.environment, names: .variable, 0...131_071, atMost: 1000,
            "Environment variables. Not for secrets: they are shown."),
        .text("user", \.user, .any, 0...256, default: "the image's", "The user that the command runs as, perhaps `USER:GROUP`."),
        .text("directory", \.directory, .absolutePath, default: "the image's", "The directory that the command starts in."),
        .word(
            "network", \.network, default: "`private`", "An address of its own, the host's interfaces, or nothing but loopback."),
        .written(
            "publish", \.publish, atMost: 1000,
            "Ports of the host that lead to the task, those of a job to the ready replicas in turn, as `HOST:TASK`, perhaps with an address before and `/udp` behind."
        ),
        .written(
            "volumes", \.volumes, atMost: 1000,
            "Volumes and where the task sees them, as `NAME:/path`, with `:ro` behind for reading only."),
        .texts(
            "allowedMounts", \.allowedMounts, .absolutePath, 1...4096, count: 0...1000,
            "Paths of the host that the image may mount, with what is below them."
        ).older("allow_mounts"),
        .written(
            "secrets", \.secrets, atMost: 100,
            "Secrets of the host (`dish secret create`) that it sees as credentials, as `NAME` or `CREDENTIAL=NAME`."),
        .settings("limits", \.limits, default: "none", "What it may use."),
        .word("class", \.class, default: "`burstable`", "How it stands to other tasks when something runs short."),
        .flag(
            "bestEffort", \.bestEffort, default: "`false`",
            "Whether limits that the host can't enforce are left out instead of refused."),
        .flag(
            "userNamespace", \.userNamespace, default: "`true`",
            "Whether it has a range of user ids of its own; without, root inside is the host's."),
        .word(
            "security", \.security, default: "`default`",
            "What it may ask of the kernel: what a program of one purpose needs (a booted image: what its init needs), nothing, or what an init needs for a command too."
        ),
        .settings("capabilities", \.capabilities, default: "none", "Capabilities beside that, and those of it that it hasn't."),
        .settings(
            "restart", \.restart, default: "`no`, for a job `always`", "Whether it is started again when it ends by itself."),
        .list("health", \.health, atMost: 100, "How it is seen to be well."),
        .text(
            "stopSignal", \.stopSignal, .signal, 1...32, default: "the image's",
            "What asks a command to end, like `SIGTERM`. A booted system is shut down."),
        .flag("terminal", \.terminal, default: "`false`", "Whether the command has a terminal."),
        .flag("interactive", \.interactive, default: "`false`", "Whether standard input stays open for whoever attaches."),
        .flag("attach", \.attach, default: "`false`", "Whether output waits for the first client that attaches."),
        .flag("removeWhenDone", \.removeWhenDone, default: "`false`", "Whether it is removed when it ends."),
        .optional("owner", \.owner, "The job it belongs to."),
        .table(
            "secretValues", \.secretValues, names: .any, 0...1_400_000, atMost: 100,
            "Credentials of its own by name, in base64. Never told again."),
    ]
}
