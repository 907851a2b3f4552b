import Glibc
import Linux
import Spec

/// Connections to published ports whose target has changed.
extension TaskNetwork {
    /// Has those who send to ports already reach the targets that these have now.
    ///
    /// Of UDP that is everybody who sends on; of TCP those who haven't got an answer, as what is connected stays connected.
    ///
    /// On hosts whose kernel can't be asked (`connectionObstacle`), senders keep the old target until they pause for some minutes.
    ///
    /// - Parameter services: ports with the tasks they lead to, none for those that lead nowhere any more.
    func redirect(_ services: [(port: PublishedPort, tasks: [IPv4Address])]) {
        guard !services.isEmpty else { return }
        let local = Self.hostAddresses()
        let groups = Dictionary(grouping: services) { [$0.port.transport == .tcp ? 0 : 1, Int($0.port.hostPort)] }
        for group in groups.values {
            let port = group[0].port
            for family in [AF_INET, AF_INET6] {
                let own = group.filter { family == AF_INET ? $0.port.host.hasIPv4 : $0.port.host.hasIPv6 && subnet6 != nil }
                if own.isEmpty { continue }
                _ = try? ConnectionTracking.remove(to: port.hostPort, port.transport, family) { entry in
                    own.contains { isStale(entry, $0.port, $0.tasks, local) }
                }
            }
        }
    }

    /// Why this host's kernel can't be asked for the connections to a port; nil when it can.
    public static func connectionObstacle() -> String? {
        do {
            // Nobody sends to this one.
            try ConnectionTracking.remove(to: 0, .udp, AF_INET) { _ in false }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func isStale(
        _ entry: ConnectionTracking.Entry, _ port: PublishedPort, _ tasks: [IPv4Address], _ local: Set<[UInt8]>
    ) -> Bool {
        let isIPv4 = entry.family == UInt8(AF_INET)
        switch port.host {
        case .ipv4(let address): guard isIPv4, entry.destination == address.bytes else { return false }
        case .ipv6(let address): guard !isIPv4, entry.destination == address.bytes else { return false }
        case .all, .allIPv6:
            guard isIPv4 ? port.host.hasIPv4 : port.host.hasIPv6 else { return false }
            guard local.contains(entry.destination) || isIPv4 && entry.destination.first == 127 else { return false }
        }
        let targets = isIPv4 ? tasks.map(\.bytes) : tasks.compactMap { ipv6(of: $0)?.bytes }
        if targets.isEmpty { return isOfTask(entry.target) }
        return !targets.contains(entry.target) || entry.targetPort != port.taskPort
    }

    /// Tells whether an address is in the network of tasks, the host's own aside.
    private func isOfTask(_ bytes: [UInt8]) -> Bool {
        func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Number {
            bytes.reduce(Number(0)) { $0 << 8 | Number($1) }
        }
        if bytes.count == 4 {
            let address = IPv4Address(value: number(bytes[...]))
            return subnet.contains(address) && address != subnet.gateway
        }
        let address = IPv6Address(high: number(bytes.prefix(8)), low: number(bytes.dropFirst(8)))
        return subnet6.map { $0.contains(address) && address != $0.address(1) } ?? false
    }

    /// All addresses of this host's interfaces, or of one, in network byte order.
    static func hostAddresses(of link: String? = nil) -> Set<[UInt8]> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<[UInt8]> = []
        var next = list
        while let one = next?.pointee {
            next = one.ifa_next
            guard let address = one.ifa_addr, link == nil || link == String(cString: one.ifa_name) else { continue }
            switch CInt(address.pointee.sa_family) {
            case AF_INET:
                address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { name in
                    _ = withUnsafeBytes(of: name.pointee.sin_addr) { found.insert(Array($0)) }
                }
            case AF_INET6:
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { name in
                    _ = withUnsafeBytes(of: name.pointee.sin6_addr) { found.insert(Array($0)) }
                }
            default: break
            }
        }
        return found
    }
}
