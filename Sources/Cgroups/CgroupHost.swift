import Linux

/// The control groups of this host, as `/proc/self/mountinfo` and `/proc/self/cgroup` show them.
public struct CgroupHost: Sendable, Equatable {
    /// Where the cgroup v2 hierarchy is mounted; nil when it isn't.
    public let unified: String?
    /// Where systemd's named v1 hierarchy is mounted, on hybrid hosts.
    public let named: String?
    /// The v2 controllers: `cpu`, `memory`, …
    public let controllers: [String]
    /// v1 controllers and where they are mounted.
    public let legacy: [String: String]
    /// Whether systemd is process 1 and so owns the hierarchy.
    public let hasSystemd: Bool

    public static func current() throws -> CgroupHost {
        let mounts = try Mounts.list()
        let unified = mounts.first { $0.type == "cgroup2" }?.path
        var legacy: [String: String] = [:]
        var named: String?
        for mount in mounts where mount.type == "cgroup" {
            let options = mount.options.split(separator: ",").map(String.init)
            if options.contains("name=systemd") { named = mount.path }
            for option in options where ["cpu", "memory", "pids", "blkio", "cpuset"].contains(option) {
                legacy[option] = mount.path
            }
        }
        let listed = try unified.flatMap { try Files.readTextIfPresent("\($0)/cgroup.controllers") } ?? ""
        return CgroupHost(
            unified: unified, named: named, controllers: listed.split(whereSeparator: \.isWhitespace).map(String.init),
            legacy: legacy, hasSystemd: Files.isDirectory("/run/systemd/system"))
    }

    /// A limit and why it can't be enforced here.
    public struct Unenforceable: Sendable, Equatable {
        /// The option that asks for it.
        public let option: String
        public let reason: String
    }

    /// Which of some limits this host can't enforce.
    public func unenforceable(_ limits: CgroupLimits) -> [Unenforceable] {
        var found: [Unenforceable] = []
        func check(_ isSet: Bool, _ option: String, _ controller: String) {
            guard isSet, !controllers.contains(controller) else { return }
            let state =
                if let path = legacy[controller] {
                    "'\(controller)' is mounted as cgroup v1 at \(path)"
                } else if unified == nil {
                    "cgroup v2 is not mounted"
                } else {
                    "the kernel offers no '\(controller)' there"
                }
            found.append(
                Unenforceable(
                    option: option, reason: "\(option) needs the cgroup v2 controller '\(controller)', and on this host \(state)")
            )
        }
        check(limits.cpu != .max, "--cpu", "cpu")
        check(limits.memory != .max, "--memory", "memory")
        check(limits.pids != .max, "--pids", "pids")
        return found
    }
}

/// What a task may use at most.
public struct CgroupLimits: Sendable, Equatable {
    public enum Limit: Sendable, Equatable {
        case max
        case value(UInt64)

        public init(_ value: UInt64?) {
            self = value.map { .value($0) } ?? .max
        }
    }

    /// Thousandths of a CPU.
    public var cpu = Limit.max
    /// Bytes; reaching it kills the whole task.
    public var memory = Limit.max
    /// Processes and threads.
    public var pids = Limit.max

    /// Microseconds of CPU time in every 100,000; the kernel takes no fewer than 1000, and no more than fit 44 bits.
    var cpuMicroseconds: UInt64? {
        guard case .value(let thousandths) = cpu else { return nil }
        return min(Swift.max(10, thousandths), 1 << 37) * 100
    }

    public init(cpu: Limit = .max, memory: Limit = .max, pids: Limit = .max) {
        self.cpu = cpu
        self.memory = memory
        self.pids = pids
    }
}
