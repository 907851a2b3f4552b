/// What `POST /v1/tasks` takes: a task to be started.
public struct TaskRequest: Sendable, Codable, Equatable {
    public enum Network: String, Sendable, Codable, CaseIterable {
        /// An address of its own in the agent's network.
        case `private`
        /// The host's interfaces.
        case host
        /// A loopback interface and nothing else.
        case none
    }

    /// Limits; nil for none.
    public struct Limits: Sendable, Codable, Equatable {
        /// Thousandths of a CPU.
        public var cpu: UInt64?
        /// Bytes.
        public var memory: UInt64?
        /// Bytes the task may write to its root file system and logs.
        public var disk: UInt64?
        /// Processes and threads.
        public var pids: UInt64?

        public init(cpu: UInt64? = nil, memory: UInt64? = nil, disk: UInt64? = nil, pids: UInt64? = nil) {
            self.cpu = cpu
            self.memory = memory
            self.disk = disk
            self.pids = pids
        }
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
    /// Whether limits that the host can't enforce are left out instead of refused.
    public var bestEffort = false
    public var network = Network.private
    /// Published ports: `8080:80`, `127.0.0.1:8080:80/tcp`.
    public var publish: [String] = []
    /// Whether the task has its own range of user ids.
    public var userNamespace = true
    /// Whether the command has a terminal.
    public var terminal = false
    /// Whether standard input stays open for whoever attaches.
    public var interactive = false
    /// Whether output waits for the first client that attaches.
    public var attach = false
    /// Whether the task is removed when it ends.
    public var removeWhenDone = false

    public init(image: String) {
        self.image = image
    }
}
