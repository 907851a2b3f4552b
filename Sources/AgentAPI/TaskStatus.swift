public import Spec

/// What the agent tells of a task.
public struct TaskStatus: Sendable, Codable, Equatable {
    public enum State: String, Sendable, Codable, CaseIterable {
        case pending, preparing, starting, running, stopping, exited, failed
        /// It has ended, and its policy starts it again after a while.
        case restarting

        /// Whether nothing of it runs any more.
        public var hasEnded: Bool { self == .exited || self == .failed }
    }

    /// How the task's first process ended.
    public struct Exit: Sendable, Codable, Equatable {
        /// The exit code, or nil when a signal ended it.
        public var code: Int?
        public var signal: Int?
        /// Whether the kernel killed something in it for want of memory.
        public var outOfMemory: Bool
        /// Seconds since 1970.
        public var at: Int64

        public init(code: Int?, signal: Int?, outOfMemory: Bool, at: Int64) {
            self.code = code
            self.signal = signal
            self.outOfMemory = outOfMemory
            self.at = at
        }
    }

    /// Process ids on the host.
    public struct Processes: Sendable, Codable, Equatable {
        public var helper: Int
        /// The runtime's own process (systemd-nspawn).
        public var runtime: Int?
        /// The container's process 1.
        public var leader: Int?

        public init(helper: Int, runtime: Int?, leader: Int?) {
            self.helper = helper
            self.runtime = runtime
            self.leader = leader
        }
    }

    public struct Paths: Sendable, Codable, Equatable {
        /// The root file system.
        public var root: String
        /// The console log, in the CRI log format.
        public var log: String
        /// The helper's socket.
        public var helper: String
        /// `cgroup.procs` files that a process joining the task enters.
        public var cgroups: [String]
        /// The agent's directory for it, which goes with it; nil from agents that don't tell.
        public var state: String?

        public init(root: String, log: String, helper: String, cgroups: [String], state: String? = nil) {
            self.root = root
            self.log = log
            self.helper = helper
            self.cgroups = cgroups
            self.state = state
        }
    }

    public var id: String
    public var name: String
    public var image: String
    public var layer: String
    public var pool: String
    public var state: State
    /// Why it is in this state, when that needs saying.
    public var reason: String?
    /// Seconds since 1970.
    public var created: Int64
    public var exit: Exit?
    public var processes: Processes?
    /// The address in the agent's network.
    public var address: String?
    /// The IPv6 address there; nil without one.
    public var address6: String?
    public var network: TaskRequest.Network
    public var publish: [PublishedPort]
    /// As they were asked for; nil from agents that know none.
    public var volumes: [VolumeMount]?
    /// What runs; nil: the image's init.
    public var command: [String]?
    public var limits: Limits
    /// Nil from agents that know none.
    public var `class`: TaskClass?
    /// Limits that are not enforced, with the reasons (`--best-effort`).
    public var notEnforced: [String]
    /// First host id of its user namespace; nil without one.
    public var userBase: UInt32?
    public var paths: Paths
    /// How often its policy has started it again since somebody last asked for it to run.
    public var restarts: Int?
    /// What its health checks say while it runs; nil without any.
    public var health: TaskHealth?
    /// The job it belongs to; nil for a task of its own.
    public var owner: TaskOwner?
    /// The number of its run, from 1; nil from agents that don't tell.
    public var generation: Int?
    /// Names of the credentials that it sees; nil for none.
    public var secrets: [String]?
    /// What it may ask of the kernel; nil from agents that don't tell.
    public var security: TaskSecurity?
    /// The capabilities that it has; nil from agents that don't tell.
    public var capabilities: [String]?

    public init(
        id: String, name: String, image: String, layer: String, pool: String, state: State, reason: String?,
        created: Int64, exit: Exit?, processes: Processes?, address: String?, network: TaskRequest.Network,
        publish: [PublishedPort], volumes: [VolumeMount]?, command: [String]?, limits: Limits, notEnforced: [String],
        userBase: UInt32?,
        paths: Paths
    ) {
        self.id = id
        self.name = name
        self.image = image
        self.layer = layer
        self.pool = pool
        self.state = state
        self.reason = reason
        self.created = created
        self.exit = exit
        self.processes = processes
        self.address = address
        self.network = network
        self.publish = publish
        self.volumes = volumes
        self.command = command
        self.limits = limits
        self.notEnforced = notEnforced
        self.userBase = userBase
        self.paths = paths
    }
}
