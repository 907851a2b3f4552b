import Btrfs
import Cgroups
import Glibc
import Layers
import Linux
import Manifest
import Networks
import Spec

/// One thing that is needed of a host, and whether it is there. Looking changes nothing.
struct HostCheck: Codable {
    enum Result: String, Codable {
        case ok
        /// Something will be refused, with this reason.
        case warning
        /// Tasks or builds can't be made at all.
        case missing
    }

    let name: String
    let result: Result
    let found: String
    /// What to do; nil when all is well.
    let advice: String?

    init(_ name: String, _ result: Result, _ found: String, _ advice: String? = nil) {
        self.name = name
        self.result = result
        self.found = found
        self.advice = result == .ok ? nil : advice
    }

    static func ofKernel() -> [HostCheck] {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let version = release.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
        let systems = (try? Files.readText("/proc/filesystems")) ?? ""
        let hasBtrfs = systems.split(whereSeparator: \.isWhitespace).contains("btrfs")
        let namespaces = number("/proc/sys/user/max_user_namespaces")
        let instances = number("/proc/sys/fs/inotify/max_user_instances")
        return [
            HostCheck(
                "root", geteuid() == 0 ? .ok : .missing, "user \(geteuid())",
                "run as root: snapshots, mounts and containers need it"),
            kernel(release, version),
            HostCheck(
                "btrfs", hasBtrfs ? .ok : .missing, hasBtrfs ? "in the kernel" : "not in /proc/filesystems",
                "load it: modprobe btrfs"),
            HostCheck(
                "loop devices", access("/dev/loop-control", F_OK) == 0 ? .ok : .warning, "/dev/loop-control",
                "pools in a file need it: modprobe loop; pools on devices don't"),
            HostCheck(
                "user namespaces", namespaces > 0 ? .ok : .missing, "\(namespaces) allowed",
                "allow them: sysctl user.max_user_namespaces=15000"),
            HostCheck(
                "inotify", instances >= 1024 ? .ok : .warning, "\(instances) instances for each user",
                "each booted task needs several; dishd raises it when it starts"),
        ]
    }

    private static func kernel(_ release: String, _ version: [Int]) -> HostCheck {
        if version.lexicographicallyPrecedes([5, 15]) {
            return HostCheck("kernel", .missing, release, "5.15 is the first that maps user ids of Btrfs mounts")
        }
        return HostCheck(
            "kernel", version.lexicographicallyPrecedes([6, 7]) ? .warning : .ok, release,
            "before 6.7 there are no simple quotas: make pools with --no-quotas; --disk will be refused")
    }

    static func ofPrograms() -> [HostCheck] {
        // What runs without them is more than what doesn't.
        let wanted: [(program: String, package: String, purpose: String)] = [
            ("mkfs.btrfs", "btrfs-progs", "make pools"), ("curl", "curl", "fetch packages and images"),
            ("tar", "tar", "unpack"), ("zstd", "zstd", "unpack"), ("xz", "xz-utils", "unpack"), ("gzip", "gzip", "unpack"),
        ]
        var checks = [nspawn()]
        checks += wanted.map { program, package, purpose in
            let path = Executable.find(program)
            return HostCheck(
                program, path == nil ? .warning : .ok, path ?? "not installed", "to \(purpose): apt-get install \(package)")
        }
        let apt = Executable.find("apt-get")
        checks.append(
            HostCheck(
                "apt", apt == nil ? .warning : .ok, apt ?? "not installed",
                "images with Debian packages are planned with it; other images can be built"))
        checks += [nftables(), addressGuard(), connections(), ipv6()]
        return checks
    }

    private static func nspawn() -> HostCheck {
        let advice = "containers run in it: apt-get install systemd-container"
        guard let path = Executable.find("systemd-nspawn") else {
            return HostCheck("systemd-nspawn", .missing, "not installed", advice)
        }
        // "systemd 252 (252.38-1~deb12u1)"
        let text = (try? Command(path, ["--version"]).runBlocking().text) ?? ""
        let words = text.split(whereSeparator: \.isWhitespace)
        let version = words.count > 1 ? Int(words[1].prefix(while: \.isNumber)) ?? 0 : 0
        return HostCheck(
            "systemd-nspawn", version >= 250 ? .ok : .missing, "version \(version)",
            "250 is the first that can be used; upgrade systemd-container")
    }

    /// Asks the kernel whether it would take a table, and makes none.
    private static func nftables() -> HostCheck {
        let refused = "tasks can have the host's network or none; --network private and --publish are refused"
        guard let path = Executable.find("nft") else {
            return HostCheck("nftables", .warning, "not installed", "\(refused); apt-get install nftables")
        }
        let answer = try? Command(path, ["--check", "add table ip dish-doctor"]).runBlocking()
        let works = answer?.status.isSuccess == true
        return HostCheck("nftables", works ? .ok : .warning, works ? path : "the kernel takes no rules for IPv4", refused)
    }

    private static func addressGuard() -> HostCheck {
        let obstacle = TaskNetwork.guardObstacle()
        return HostCheck(
            "bridges", obstacle == nil ? .ok : .warning, obstacle ?? "a task can send from its own only",
            "where the kernel takes no such rules, tasks of one bridge can send from each other's addresses; where nft refuses them, tasks with --network private don't start: upgrade nftables"
        )
    }

    private static func connections() -> HostCheck {
        let obstacle = TaskNetwork.connectionObstacle()
        return HostCheck(
            "conntrack", obstacle == nil ? .ok : .warning, obstacle ?? "UDP follows a published port to its new task",
            "who sends on to a published UDP port keeps its old target until it pauses: modprobe nf_conntrack_netlink")
    }

    private static func ipv6() -> HostCheck {
        if let obstacle = IPv6Support.obstacle() {
            return HostCheck("IPv6", .warning, obstacle, "tasks have IPv4 only; ports on [::] are refused")
        }
        let filters = IPv6Support.filtersBridges
        return HostCheck(
            "IPv6", filters ? .warning : .ok,
            filters ? "net.bridge.bridge-nf-call-ip6tables is 1" : "tasks have addresses of their own",
            "ports published on [::1] don't answer, those on other addresses do; sysctl net.bridge.bridge-nf-call-ip6tables=0, unless another program of this host needs it"
        )
    }

    static func ofCgroups() -> [HostCheck] {
        guard let host = try? CgroupHost.current() else {
            return [HostCheck("cgroup v2", .warning, "/proc/self/mountinfo can't be read", "limits are refused")]
        }
        let missing = host.unenforceable(Limits(cpu: 1000, memory: 1 << 30, pids: 100)).map { "\($0.path) \($0.reason)" }
        let advice = "boot with systemd.unified_cgroup_hierarchy=1, or run without these limits"
        return [
            HostCheck(
                "cgroup v2", missing.isEmpty ? .ok : .warning,
                missing.isEmpty ? "cpu, memory, pids" : missing.joined(separator: "; "), advice)
        ]
    }

    /// - Parameter requested: a pool beside those that this host knows.
    static func ofPools(_ requested: String?) -> [HostCheck] {
        guard geteuid() == 0 else {
            return [HostCheck("pool", .warning, "not looked at: user \(geteuid()) may not", "as root: sudo dish host doctor")]
        }
        var paths = ((try? PoolRegistry.host.entries()) ?? []).map(\.path)
        if let requested = requested.map({ Files.resolved($0) }), !paths.contains(requested) { paths.append(requested) }
        guard !paths.isEmpty else {
            return [HostCheck("pool", .warning, "none", "make one: dish pool create /var/lib/dish/pool --size 20G")]
        }
        return paths.map { path in
            do {
                let space = try Pool(at: path).filesystem().space()
                let free = "\(ByteCount(bytes: space.available)) of \(ByteCount(bytes: space.total)) free"
                guard access(path, W_OK) == 0 else {
                    return HostCheck("pool \(path)", .missing, "read-only", "see why: dmesg | grep -i btrfs")
                }
                let problems = try Pool(at: path).health(in: .host).problems
                let damaged = try Pool(at: path).damagedLayers()
                if !problems.isEmpty || !damaged.isEmpty {
                    let states =
                        problems.map { "\($0.subject) is \($0.kind)" }
                        + damaged.prefix(3).map { "the layer \($0.id.short) is damaged" }
                    return HostCheck(
                        "pool \(path)", .warning, ([free] + states).joined(separator: "; "),
                        (problems.map { "\($0)" } + damaged.prefix(3).map { "\($0)" }).joined(separator: "; "))
                }
                return HostCheck(
                    "pool \(path)", space.available < space.total / 10 ? .warning : .ok, free,
                    "make room: dish image gc, dish rm")
            } catch {
                if let hindrance = (try? PoolRegistry.host.hindrance(toMounting: path)) ?? nil {
                    return HostCheck("pool \(path)", .missing, "not mounted", hindrance)
                }
                return HostCheck("pool \(path)", .missing, "\(error)", "mount it: dish pool create \(path)")
            }
        }
    }

    private static func number(_ path: String) -> Int {
        (try? Files.readText(path)).flatMap { Int($0.filter { !$0.isWhitespace }) } ?? 0
    }
}
