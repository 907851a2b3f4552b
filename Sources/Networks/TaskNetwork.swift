import CLinux
import Glibc
import Linux

/// The network of this host's tasks: a bridge with an address of the host, for each task a network namespace that is
/// joined to it by a pair of virtual Ethernet links, and an nftables table of its own, named after the bridge.
///
/// Everything it makes has the bridge's name or a task's id in its name, so that it finds again what is its own,
/// and touches nothing else. All operations can be repeated.
public struct TaskNetwork: Sendable, Equatable {
    public let bridge: String
    public let subnet: IPv4Subnet

    /// - Parameter bridge: letters, digits and dashes, 15 at most: it names a link and a table.
    public init(bridge: String, subnet: IPv4Subnet) throws(NetworkError) {
        let allowed = bridge.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "-")
        }
        guard (1...15).contains(bridge.utf8.count), allowed else {
            throw NetworkError(.invalid, "'\(bridge)' can't be a bridge's name: use small letters, digits and dashes, 15 at most")
        }
        self.bridge = bridge
        self.subnet = subnet
    }

    /// Makes the bridge and the table, with the published ports of the tasks there are.
    ///
    /// - Throws: `NetworkError` `.conflict` when the host has another network with these addresses.
    public func prepare(published: [(port: PublishedPort, task: IPv4Address)]) throws {
        try refuseOverlap()
        let netlink = try Netlink()
        try netlink.makeBridge(bridge)
        try netlink.addAddress(subnet.gateway, prefix: subnet.prefix, index: if_nametoindex(bridge), bridge)
        try Files.set("/proc/sys/net/ipv4/ip_forward", "1")
        // Ports published on 127.0.0.1 lead from loopback onto the bridge; the table keeps the way back shut.
        try Files.set("/proc/sys/net/ipv4/conf/\(bridge)/route_localnet", "1")
        try PortRules(bridge: bridge, subnet: subnet).replaceAll(published)
    }

    /// Takes down what `prepare` made.
    public func remove() throws {
        try PortRules(bridge: bridge, subnet: subnet).removeTable()
        try Netlink().deleteLink(bridge)
    }

    /// Makes these the ports of the host that lead to several tasks in turn, instead of those before, at once. Ports
    /// of single tasks stay.
    public func balance(_ services: [(port: PublishedPort, tasks: [IPv4Address])]) throws {
        try PortRules(bridge: bridge, subnet: subnet).balance(services)
    }

    /// The path of a task's network namespace.
    public func namespace(of id: String) -> String { "\(Self.namespaces)/dish-\(id)" }

    /// Makes a task's namespace with a loopback interface and `host0`, which has the address and the default route.
    ///
    /// Blocks for about two milliseconds, on a thread of its own.
    public func connect(_ id: String, address: IPv4Address, ports: [PublishedPort]) async throws {
        try Files.makeDirectories(Self.namespaces)
        try await blocking { try makeNamespace(id, address) }
        if !ports.isEmpty {
            try await blocking { try PortRules(bridge: bridge, subnet: subnet).add(ports, to: address) }
        }
    }

    /// Removes a task's namespace and its published ports. With the namespace's last process and mount the kernel
    /// removes the links, a few milliseconds later.
    public func disconnect(_ id: String, address: IPv4Address?, ports: [PublishedPort]) throws {
        if address != nil, !ports.isEmpty { try PortRules(bridge: bridge, subnet: subnet).remove(ports) }
        let path = namespace(of: id)
        try Mounts.unmount(path, flags: CInt(MNT_DETACH))
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove network namespace", path) }
    }

    /// Checks that nothing on the host listens on a port yet.
    ///
    /// - Throws: `NetworkError` `.conflict` when something does.
    public static func requireFree(_ port: PublishedPort) throws {
        let type = port.transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
        let number = try retryingInterrupts("create socket") { socket(AF_INET, CInt(type.rawValue), 0) }
        let probe = OwnedFD(adopting: number)
        // Connections that have just ended don't hold a port.
        if port.transport == .tcp {
            var yes: CInt = 1
            setsockopt(probe.number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.hostPort.bigEndian
        name.sin_addr.s_addr = (port.address?.value ?? 0).bigEndian
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe.number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return }
        switch errno {
        case EADDRINUSE:
            throw NetworkError(
                .conflict,
                "cannot publish \(port): port \(port.hostPort) is in use by a program of this host; choose another, or stop what listens there (ss -ltnup 'sport = :\(port.hostPort)')"
            )
        case EADDRNOTAVAIL:
            throw NetworkError(.invalid, "cannot publish \(port): this host has no address \(port.address?.description ?? "")")
        default: throw SystemError("publish port", port.description)
        }
    }

    private static let namespaces = "/run/netns"

    private static func link(of id: String) -> String { "ve" + id.prefix(13) }

    private func makeNamespace(_ id: String, _ address: IPv4Address) throws {
        let path = namespace(of: id)
        let host = try Netlink()
        let bridgeIndex = if_nametoindex(bridge)
        guard bridgeIndex != 0 else { throw SystemError("find bridge", bridge) }
        guard dish_unshare(DISH_CLONE_NEWNET) == 0 else { throw SystemError("create network namespace", path) }
        // The namespace is the host's, so root inside has no rights over it; as in Docker, these two need none.
        try Files.set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
        try Files.set("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
        let own = try OwnedFD.open("/proc/thread-self/ns/net", O_RDONLY)
        _ = try OwnedFD.open(path, O_WRONLY | O_CREAT, mode: 0o444)
        try Mounts.mount("/proc/thread-self/ns/net", on: path, flags: UInt(MS_BIND))
        try host.makePair(Self.link(of: id), bridge: bridgeIndex, peer: "host0", peerNamespace: own.number)
        let inside = try Netlink()
        // Loopback is always the first link.
        try inside.setUp(index: 1, "lo")
        let index = if_nametoindex("host0")
        try inside.setUp(index: index, "host0")
        try inside.addAddress(address, prefix: subnet.prefix, index: index, "host0")
        try inside.addDefaultRoute(via: subnet.gateway)
    }

    /// Two networks with the same addresses would each swallow the other's packets.
    private func refuseOverlap() throws {
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
}
