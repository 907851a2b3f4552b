import Btrfs
public import Glibc
import Linux

/// What there is on the host of all that a task is made of.
public struct Inventory: Sendable, Equatable, CustomStringConvertible {
    /// A process and its command line.
    public struct Process: Sendable {
        public let pid: pid_t
        public let command: String
    }

    public var subvolumes: Set<String>
    public var mounts: Set<String>
    public var networkNamespaces: Set<String>
    public var links: Set<String>
    public var cgroups: Set<String>
    public var processes: Set<String>
    public var directories: Set<String>

    /// - Parameters:
    ///   - pool: the pool's path.
    ///   - host: whose agent's things are counted.
    public init(pool: String, of host: TestHost) throws {
        // Logs of tasks that were removed are kept for a time.
        subvolumes = Set(try Filesystem(at: pool).subvolumes().map(\.path).filter { !$0.hasPrefix("logs/") })
        let namespaces = "\(host.runtimeDirectory)/netns"
        mounts = Set(try Mounts.list().map(\.path).filter { $0.hasPrefix(pool) || $0.hasPrefix(namespaces) })
        networkNamespaces = Set((try? Files.list(namespaces)) ?? [])
        links = Set(
            try Files.list("/sys/class/net").filter { name in
                (try? Files.list("/sys/class/net/\(host.bridge)/brif"))?.contains(name) == true
            })
        cgroups = Set(
            ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"].flatMap { root in
                ((try? Files.list("\(root)/dish")) ?? []).filter { Files.isDirectory("\(root)/dish/\($0)") }.map {
                    "\(root)/dish/\($0)"
                }
            })
        processes = Set(Self.processes(mentioning: "\(host.runtimeDirectory)/tasks").map { "\($0.pid) \($0.command)" })
        directories = Set(
            ["\(pool)/tasks", "\(pool)/staging", "\(host.stateDirectory)/tasks", "\(host.runtimeDirectory)/tasks"].flatMap {
                path in
                ((try? Files.list(path)) ?? []).map { "\(path)/\($0)" }
            })
    }

    private init() {
        (subvolumes, mounts, networkNamespaces, links, cgroups, processes, directories) = ([], [], [], [], [], [], [])
    }

    /// Nothing at all.
    public static let none = Inventory()

    /// Processes whose command line contains a text.
    public static func processes(mentioning text: String) -> [Process] {
        ((try? Files.list("/proc")) ?? []).compactMap { name in
            guard let pid = pid_t(name), let bytes = try? Files.read("/proc/\(name)/cmdline") else { return nil }
            let command = String(decoding: bytes.map { $0 == 0 ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
            return command.contains(text) ? Process(pid: pid, command: command) : nil
        }
    }

    /// The directories with a name in a tree.
    public static func directories(named name: String, below path: String) -> [String] {
        ((try? Files.list(path)) ?? []).map { ($0, "\(path)/\($0)") }.filter { Files.isDirectory($0.1, followsLink: false) }
            .flatMap { ($0.0 == name ? [$0.1] : []) + directories(named: name, below: $0.1) }
    }

    /// What is here and not in another.
    public func beyond(_ other: Inventory) -> [String] {
        let pairs = [
            ("subvolume", subvolumes, other.subvolumes), ("mount", mounts, other.mounts),
            ("network namespace", networkNamespaces, other.networkNamespaces), ("link", links, other.links),
            ("cgroup", cgroups, other.cgroups), ("process", processes, other.processes),
            ("directory", directories, other.directories),
        ]
        return pairs.flatMap { kind, now, before in now.subtracting(before).sorted().map { "\(kind) \($0)" } }
    }

    public var description: String {
        "\(subvolumes.count) subvolumes, \(mounts.count) mounts, \(processes.count) processes, \(cgroups.count) cgroups"
    }
}
