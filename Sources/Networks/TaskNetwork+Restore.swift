import Glibc
import Linux
import Spec

/// Settings that the agent makes on the host for all tasks, and makes again where somebody has undone it: other agents, a reload of the
/// firewall, tools that manage networks.
extension TaskNetwork {
    static let forwarding = "/proc/sys/net/ipv4/ip_forward"

    /// Puts right what of the network isn't as `prepare` made it. It costs next to nothing where all is.
    ///
    /// - Returns: what was put right, as phrases; nothing for a network that isn't prepared.
    public func restore() throws -> [String] {
        guard WantedRules.shared[bridge] != nil else { return [] }
        var restored = try restoreLink()
        if try restoreRules() { restored.append("the rules of published ports") }
        if try restoreGuard() { restored.append("the rules that tie tasks to their addresses") }
        return restored
    }

    /// Makes the bridge with its addresses and settings, where they aren't there.
    func restoreLink() throws -> [String] {
        var restored: [String] = []
        let netlink = try Netlink()
        if try netlink.makeBridge(bridge, hardware: PortGuard.Port.hardware(0x02, subnet.gateway)) {
            restored.append("the bridge")
        }
        let index = if_nametoindex(bridge)
        for link in GuardedPorts.shared.ports(of: PortGuard(bridge: bridge)).map(\.link)
        where try netlink.link(link).map({ $0.bridge != index }) == true {
            try netlink.join(link, bridge: index)
            restored.append("the port \(link)")
        }
        if try netlink.addAddress(subnet.gateway, prefix: subnet.prefix, index: index, bridge) {
            restored.append("the bridge's address \(subnet.gateway)")
        }
        // Ports published on 127.0.0.1 lead from loopback onto the bridge; the table keeps the way back shut.
        for path in [Self.forwarding, "/proc/sys/net/ipv4/conf/\(bridge)/route_localnet"] where try Self.switchOn(path) {
            restored.append(path.dropFirst("/proc/sys/".count).split(separator: "/").joined(separator: "."))
        }
        guard let subnet6 else { return restored }
        if try netlink.addAddress(subnet6.address(1), prefix: subnet6.prefix, index: index, bridge) {
            restored.append("the bridge's address \(subnet6.address(1))")
        }
        if try IPv6Support.forward(but: bridge) { restored.append("net.ipv6.conf.all.forwarding") }
        if try netlink.acceptLoopback(index: index, bridge) { restored.append("the route of ::1 over the bridge") }
        return restored
    }

    /// Makes the tables of published ports again where their rules are gone.
    ///
    /// - Returns: whether they were.
    func restoreRules() throws -> Bool {
        guard let wanted = WantedRules.shared[bridge] else { return false }
        let published = wanted.published.map { (port: $0.key, task: $0.value) }
        var isRestored = try rules.restore(
            published.map { ($0.port, "\($0.task)") }, wanted.balanced.map { ($0.port, $0.tasks.map(\.description)) })
        if let rules6 {
            let isRestored6 = try rules6.restore(
                published.compactMap { one in ipv6(of: one.task).map { (one.port, "\($0)") } },
                wanted.balanced.map { one in (one.port, one.tasks.compactMap { ipv6(of: $0)?.description }) })
            isRestored = isRestored || isRestored6
        }
        guard isRestored else { return false }
        // Those that were given back meanwhile.
        let now = WantedRules.shared[bridge]?.published ?? [:]
        let gone = published.map(\.port).filter { now[$0] == nil }
        try rules.remove(gone)
        try rules6?.remove(gone)
        return true
    }

    /// - Returns: whether it was off.
    private static func switchOn(_ path: String) throws -> Bool {
        if try Files.readText(path).first == "1" { return false }
        try Files.set(path, "1")
        return true
    }
}
