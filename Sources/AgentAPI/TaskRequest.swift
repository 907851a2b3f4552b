public import Spec

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
    public var publish: [String] = []
    /// Paths of the host which the image may mount, with what is below them.
    public var allowedMounts: [String] = []
    /// Volumes and where the task sees them: `data:/srv/data`, `data:/srv/data:ro`.
    public var volumes: [String] = []
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
    public var secrets: [String] = []
    /// Credentials of its own by name, in base64; the agent keeps them apart, and never tells them.
    public var secretValues: [String: String]?

    public init(image: String) {
        self.image = image
    }
}

extension TaskRequest {
    /// What a request leaves out has its default: a client, or the intent of an older agent's task, need not know
    /// every field.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func value<Value: Decodable>(_ key: CodingKeys, _ otherwise: Value) throws -> Value {
            try values.decodeIfPresent(Value.self, forKey: key) ?? otherwise
        }
        self.init(image: try values.decode(String.self, forKey: .image))
        name = try values.decodeIfPresent(String.self, forKey: .name)
        pool = try values.decodeIfPresent(String.self, forKey: .pool)
        command = try values.decodeIfPresent([String].self, forKey: .command)
        environment = try value(.environment, environment)
        user = try values.decodeIfPresent(String.self, forKey: .user)
        directory = try values.decodeIfPresent(String.self, forKey: .directory)
        limits = try value(.limits, limits)
        `class` = try value(.class, `class`)
        bestEffort = try value(.bestEffort, bestEffort)
        network = try value(.network, network)
        publish = try value(.publish, publish)
        allowedMounts = try value(.allowedMounts, allowedMounts)
        volumes = try value(.volumes, volumes)
        userNamespace = try value(.userNamespace, userNamespace)
        security = try value(.security, security)
        capabilities = try value(.capabilities, capabilities)
        terminal = try value(.terminal, terminal)
        interactive = try value(.interactive, interactive)
        attach = try value(.attach, attach)
        removeWhenDone = try value(.removeWhenDone, removeWhenDone)
        restart = try value(.restart, restart)
        health = try value(.health, health)
        owner = try values.decodeIfPresent(TaskOwner.self, forKey: .owner)
        stopSignal = try values.decodeIfPresent(String.self, forKey: .stopSignal)
        secrets = try value(.secrets, secrets)
        secretValues = try values.decodeIfPresent([String: String].self, forKey: .secretValues)
    }
}
