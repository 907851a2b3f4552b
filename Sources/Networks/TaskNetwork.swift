import CLinux
import Glibc
import Linux
public import Spec

/// The network of this host's tasks: a bridge with an address of the host, for each task a network namespace that is
/// joined to it by a pair of virtual Ethernet links, and nftables tables of its own, named after the bridge. What a task can send
/// has its own addresses (`PortGuard`).
///
/// Everything it makes has the bridge's name or a task's id in its name, so that it finds again what is its own,
/// and touches nothing else. All operations can be repeated.
public struct TaskNetwork: Sendable, Equatable {
    public let bridge: String
    public let subnet: IPv4Subnet
    /// Nil: tasks have no IPv6.
    public let subnet6: IPv6Subnet?
    /// Where the tasks' network namespaces are.
    private let directory: String

    /// - Parameters:
    ///   - bridge: letters, digits and dashes, 15 at most: it names a link and a table.
    ///   - namespaces: a directory for the tasks' network namespaces, made when it is needed. Nobody else's: what others mount on
    ///     one, as ip-netns(8) does on /run/netns, hides what is in it.
    public init(
        bridge: String, subnet: IPv4Subnet, subnet6: IPv6Subnet? = nil, namespaces: String = "/run/dish/netns"
    ) throws(NetworkError) {
        let allowed = bridge.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "-")
        }
        guard (1...15).contains(bridge.utf8.count), allowed else {
            throw NetworkError(.invalid, "'\(bridge)' can't be a bridge's name: use small letters, digits and dashes, 15 at most")
        }
        self.bridge = bridge
        self.subnet = subnet
        self.subnet6 = subnet6
        directory = namespaces
    }

    /// The IPv6 address of who has an IPv4 address: the same number in its own network. Nil without IPv6.
    public func ipv6(of address: IPv4Address) -> IPv6Address? { subnet6?.address(address.value &- subnet.base.value) }

    private var guardian: PortGuard { PortGuard(bridge: bridge) }

    private func port(_ id: String, _ address: IPv4Address) -> PortGuard.Port {
        PortGuard.Port(link: Self.link(of: id), address: address, address6: ipv6(of: address))
    }

    /// The reason why tasks can't be tied to their addresses on this host; nil when they can.
    public static func guardObstacle() -> String? { PortGuard(bridge: "dish-probe").obstacle() }

    var rules: PortRules { PortRules(bridge: bridge, family: .ip, subnet: "\(subnet)") }

    var rules6: PortRules? { subnet6.map { PortRules(bridge: bridge, family: .ip6, subnet: "\($0)") } }

    /// Makes the bridge and the table, with the published ports of the tasks there are.
    ///
    /// - Parameter tasks: those whose ports there are. The ports of tasks that agents before this rule started aren't tied to
    ///   their addresses.
    /// - Returns: why no task is tied to its addresses, where the kernel can't do that; nil when all are.
    /// - Throws: `NetworkError` `.conflict` when the host has another network with these addresses.
    @discardableResult
    public func prepare(
        published: [(port: PublishedPort, task: IPv4Address)], tasks: [(id: String, address: IPv4Address)] = []
    ) throws -> String? {
        try refuseOverlap()
        try refuseForeignLink()
        WantedRules.shared[bridge] = WantedRules.Ports(
            published: Dictionary(published.map { ($0.port, $0.task) }) { $1 },
            balanced: WantedRules.shared[bridge]?.balanced ?? [])
        _ = try restoreLink()
        try rules.replaceAll(published.map { ($0.port, "\($0.task)") })
        let ports = tasks.map { port($0.id, $0.address) }
        let netlink = try Netlink()
        let obstacle = try guardian.replaceAll(ports.filter { (try? netlink.link($0.link))??.hardware == $0.hostHardware })
        try rules6?.replaceAll(published.compactMap { published in ipv6(of: published.task).map { (published.port, "\($0)") } })
        return obstacle
    }

    /// A bridge that isn't an agent's is nobody's to change, or to remove in the end.
    private func refuseForeignLink() throws {
        guard let link = try Netlink().link(bridge) else { return }
        let isBridge = link.kind == "bridge"
        // Earlier ones may have had another network.
        if isBridge, Array(link.hardware.prefix(2)) == [0x02, 0xd5] { return }
        if isBridge, Self.hostAddresses(of: bridge).contains(subnet.gateway.bytes) { return }
        throw NetworkError(
            .conflict,
            "the host has a \(isBridge ? "bridge" : "network link") '\(bridge)' that no agent made; give the agent another name: dishd --bridge NAME"
        )
    }

    /// Ties all tasks to their addresses again where somebody has removed the rules (`nft flush ruleset`). It costs next to nothing
    /// where nobody has.
    ///
    /// - Returns: whether they were removed.
    public func restoreGuard() throws -> Bool { try guardian.restore() }

    /// Takes down what `prepare` made, where it did. What it set for the whole host stays: other agents may count on it.
    public func remove() throws {
        WantedRules.shared[bridge] = nil
        try rules.removeTable()
        try rules6?.removeTable()
        try guardian.removeTable()
        try Netlink().deleteLink(bridge)
    }

    /// Makes these the ports of the host that lead to several tasks in turn, instead of those before, at once. Ports
    /// of single tasks stay.
    ///
    /// - Parameter before: what there was; nil when it isn't known.
    public func balance(
        _ services: [(port: PublishedPort, tasks: [IPv4Address])], before: [(port: PublishedPort, tasks: [IPv4Address])]? = nil
    ) throws {
        WantedRules.shared.change(bridge) { $0.balanced = services }
        try rules.balance(services.map { ($0.port, $0.tasks.map(\.description)) })
        try rules6?.balance(services.map { service in (service.port, service.tasks.compactMap { ipv6(of: $0)?.description }) })
        guard let before else { return redirect(services) }
        let changed = services.filter { now in !before.contains { $0.port == now.port && $0.tasks == now.tasks } }
        let gone = before.filter { earlier in !services.contains { $0.port == earlier.port } }
        redirect(changed + gone.map { ($0.port, []) })
    }

    /// The path of a task's network namespace.
    public func namespace(of id: String) -> String { "\(directory)/dish-\(id)" }

    /// Makes a task's namespace with a loopback interface and `host0`, which has the address and the default route.
    ///
    /// Blocks for about two milliseconds, on a thread of its own.
    public func connect(_ id: String, address: IPv4Address, ports: [PublishedPort]) async throws {
        try Files.makeDirectories(directory, mode: 0o700)
        try await blocking { try makeNamespace(id, address) }
        if !ports.isEmpty { try await blocking { try publish(ports, address) } }
    }

    private func publish(_ ports: [PublishedPort], _ address: IPv4Address) throws {
        WantedRules.shared.change(bridge) { wanted in for port in ports { wanted.published[port] = address } }
        func add() throws {
            try rules.add(ports, to: "\(address)")
            if let own = ipv6(of: address) { try rules6?.add(ports, to: "\(own)") }
        }
        do {
            try add()
        } catch {
            // A reload of the firewall may have removed the tables.
            guard try restoreRules() else { throw error }
        }
        redirect(ports.map { ($0, [address]) })
    }

    /// Removes a task's namespace and its published ports.
    public func disconnect(_ id: String, address: IPv4Address?, ports: [PublishedPort]) throws {
        // Whatever becomes of the ports: the next agent names all that there shall be, while a namespace of which no task is
        // known any more would stay.
        try removeNamespace(of: id)
        if let address { guardian.forget(port(id, address)) }
        if address != nil, !ports.isEmpty {
            WantedRules.shared.change(bridge) { wanted in for port in ports { wanted.published[port] = nil } }
            try rules.remove(ports)
            try rules6?.remove(ports)
            redirect(ports.map { ($0, []) })
        }
    }

    /// Removes a task's namespace; one that isn't there is no error. With the last process and mount of it the kernel removes
    /// the links, a few milliseconds later.
    public func removeNamespace(of id: String) throws {
        let path = namespace(of: id)
        try Mounts.unmount(path, flags: CInt(MNT_DETACH))
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove network namespace", path) }
        // Earlier agents kept them where ip-netns(8) does. If that has mounted something there since, what lies below can't be
        // unmounted, and stays until the host's next start; the link goes.
        let earlier = "/run/netns/dish-\(id)"
        guard Files.exists(earlier) else { return }
        try Mounts.unmount(earlier, flags: CInt(MNT_DETACH))
        if unlink(earlier) != 0 { try Netlink().deleteLink(Self.link(of: id)) }
    }

    private static func link(of id: String) -> String { "ve" + id.prefix(13) }

    private func makeNamespace(_ id: String, _ address: IPv4Address) throws {
        let path = namespace(of: id)
        let host = try Netlink()
        // Somebody may have removed it.
        if if_nametoindex(bridge) == 0 { _ = try restoreLink() }
        let bridgeIndex = if_nametoindex(bridge)
        guard bridgeIndex != 0 else { throw SystemError("find bridge", bridge, code: ENODEV) }
        // That of the run before: the kernel may not be done with it yet.
        let port = port(id, address)
        try host.deleteLink(port.link)
        try guardian.admit(port)
        guard dish_unshare(DISH_CLONE_NEWNET) == 0 else { throw SystemError("create network namespace", path) }
        // The namespace is the host's, so root inside has no rights over it; as in Docker, these two need none.
        try Files.set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
        try Files.set("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
        let own = try OwnedFD.open("/proc/thread-self/ns/net", O_RDONLY)
        _ = try OwnedFD.open(path, O_WRONLY | O_CREAT, mode: 0o444)
        try Mounts.mount("/proc/thread-self/ns/net", on: path, flags: UInt(MS_BIND))
        try host.makePair(port, bridge: bridgeIndex, peer: "host0", peerNamespace: own.number)
        let inside = try Netlink()
        // Loopback is always the first link.
        try inside.setUp(index: 1, "lo")
        let index = if_nametoindex("host0")
        try inside.setUp(index: index, "host0")
        try inside.addAddress(address, prefix: subnet.prefix, index: index, "host0")
        try inside.addDefaultRoute(via: subnet.gateway)
        guard let subnet6, let own = ipv6(of: address) else { return }
        // Only the agent says where its packets go, no other task.
        try Files.set("/proc/sys/net/ipv6/conf/host0/accept_ra", "0")
        try inside.addAddress(own, prefix: subnet6.prefix, index: index, "host0")
        try inside.addDefaultRoute(via: subnet6.address(1))
    }

    /// Two networks with the same addresses would each swallow the other's packets.
    private func refuseOverlap() throws {
        try refuseOverlap6()
        // Each line: interface, destination, gateway, flags, …, mask as the eighth field, in host byte order.
        for line in try Files.readText("/proc/net/route").split(separator: "\n").dropFirst() {
            let fields = line.split(separator: "\t").map { $0.filter { $0 != " " } }
            guard fields.count > 7, fields[0] != bridge, let destination = UInt32(fields[1], radix: 16)?.byteSwapped,
                let mask = UInt32(fields[7], radix: 16)?.byteSwapped, mask != 0
            else { continue }
            let own = ~UInt32(0) << (32 - UInt32(subnet.prefix))
            if (destination ^ subnet.base.value) & mask & own == 0 {
                throw NetworkError(
                    .conflict,
                    "the network \(subnet) overlaps a route of this host over \(fields[0]); give the agent another: dishd --subnet 10.N.0.0/16"
                )
            }
        }
    }

    private func refuseOverlap6() throws {
        guard let subnet6 else { return }
        // Each line: destination, prefix length, source, its length, next hop, metric, references, uses, flags, interface.
        for line in (try? Files.readText("/proc/net/ipv6_route"))?.split(separator: "\n") ?? [] {
            let fields = line.split(separator: " ")
            guard fields.count >= 10, fields[9] != bridge, fields[0].utf8.count == 32, let prefix = UInt8(fields[1], radix: 16),
                prefix > 0, let high = UInt64(fields[0].prefix(16), radix: 16),
                let low = UInt64(fields[0].dropFirst(16), radix: 16),
                case let destination = IPv6Address(high: high, low: low)
            else { continue }
            guard subnet6.contains(destination) || IPv6Subnet("\(destination)/\(prefix)")?.contains(subnet6.base) == true else {
                continue
            }
            throw NetworkError(
                .conflict,
                "the network \(subnet6) overlaps a route of this host over \(fields[9]); give the agent another: dishd --subnet6 fdXX:…::/64"
            )
        }
    }
}
