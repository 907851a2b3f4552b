import Glibc
import Linux
public import Spec

extension TaskNetwork {
    /// Checks that nothing on the host listens on a port yet.
    ///
    /// - Throws: `NetworkError` `.conflict` when something does.
    public static func requireFree(_ port: PublishedPort) throws {
        if port.host.hasIPv4 {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.hostPort.bigEndian
            if case .ipv4(let address) = port.host { name.sin_addr.s_addr = address.value.bigEndian }
            try requireFree(port, AF_INET, name)
        }
        if port.host.hasIPv6 {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.hostPort.bigEndian
            if case .ipv6(let address) = port.host {
                withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
            }
            try requireFree(port, AF_INET6, name)
        }
    }

    /// Checks that nothing on the host listens on a port, and that no other agent has published it.
    ///
    /// - Throws: `NetworkError` `.conflict` when something does.
    public func requireAvailable(_ port: PublishedPort) throws {
        try Self.requireFree(port)
        for other in try otherBridges() {
            for family in [PortRules.Family.ip, .ip6] where family == .ip ? port.host.hasIPv4 : port.host.hasIPv6 {
                guard let nft = Executable.find("nft") else { continue }
                let table = try Command(nft, ["list", "table", family.rawValue, other]).runBlocking()
                guard table.status.isSuccess, PortRules.publishes(port, in: table.text, family) else { continue }
                throw NetworkError(
                    .conflict,
                    "cannot publish \(port): port \(port.hostPort) is in use by a task or job of another agent of this host, whose bridge is '\(other)'; choose another"
                )
            }
        }
    }

    /// Bridges of other agents in this network namespace.
    private func otherBridges() throws -> [String] {
        guard let list = if_nameindex() else { throw SystemError("list network links") }
        defer { if_freenameindex(list) }
        let netlink = try Netlink()
        var (found, next) = ([String](), list)
        while next.pointee.if_index != 0, let name = next.pointee.if_name {
            next += 1
            let name = String(cString: name)
            guard name != bridge, !name.hasPrefix("ve"), let link = try netlink.link(name), link.kind == "bridge",
                Array(link.hardware.prefix(2)) == [0x02, 0xd5]
            else { continue }
            found.append(name)
        }
        return found
    }

    /// Checks that tasks have addresses of the kind that a port is published on.
    ///
    /// - Throws: `NetworkError` `.invalid` when they haven't.
    public func requireFamily(of port: PublishedPort) throws(NetworkError) {
        guard !port.host.hasIPv4, subnet6 == nil else { return }
        let why = IPv6Support.obstacle() ?? "the agent was started without (its setting subnet6)"
        throw NetworkError(.invalid, "cannot publish \(port): tasks have no IPv6 here: \(why)")
    }

    /// Refuses a port on ::1 alone where nobody would get an answer from there.
    public func requireAnswers(on port: PublishedPort) throws(NetworkError) {
        guard port.host == .ipv6(.loopback), IPv6Support.filtersBridges else { return }
        throw NetworkError(
            .invalid,
            "cannot publish \(port): answers to [::1] are dropped by this host's kernel, because net.bridge.bridge-nf-call-ip6tables is 1; publish on 127.0.0.1 or on another address, or set it to 0 unless another program of this host needs it"
        )
    }

    private static func requireFree<Name>(_ port: PublishedPort, _ family: CInt, _ name: Name) throws {
        let type = port.transport == .tcp ? SOCK_STREAM : SOCK_DGRAM
        let number = socket(family, CInt(type.rawValue), 0)
        if number < 0 {
            // Without IPv6 nothing listens there.
            if errno == EAFNOSUPPORT, family == AF_INET6, port.host == .all { return }
            throw SystemError("create socket", port.description)
        }
        let probe = OwnedFD(adopting: number)
        var yes: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        // Connections that have just ended don't hold a port.
        if port.transport == .tcp { setsockopt(probe.number, SOL_SOCKET, SO_REUSEADDR, &yes, size) }
        if family == AF_INET6 { setsockopt(probe.number, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size) }
        let result = withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(probe.number, $0, socklen_t(MemoryLayout<Name>.size)) }
        }
        if result == 0 { return }
        switch errno {
        case EADDRINUSE:
            throw NetworkError(
                .conflict,
                "cannot publish \(port): port \(port.hostPort) is in use by a program of this host; choose another, or stop what listens there (ss -ltnup 'sport = :\(port.hostPort)')"
            )
        case EADDRNOTAVAIL where family == AF_INET6 && port.host == .all: return
        case EADDRNOTAVAIL:
            throw NetworkError(.invalid, "cannot publish \(port): this host has no address \(port.host.description.dropLast())")
        default: throw SystemError("publish port", port.description)
        }
    }
}
