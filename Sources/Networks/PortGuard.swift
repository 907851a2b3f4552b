import Glibc
import Linux
import Synchronization

/// Ties each task's port of a bridge to its addresses: frames with another sender, be it Ethernet, ARP, IPv4 or IPv6, or that
/// say where another address is, are dropped where they come in.
///
/// It is an nftables table of the bridge family. What a port may send are elements of four sets, so that a start adds a few
/// elements in one message and no rule.
struct PortGuard: Sendable {
    let bridge: String

    /// A task's port.
    struct Port: Sendable, Equatable {
        /// The host's end of its link.
        let link: String
        let address: IPv4Address
        let address6: IPv6Address?

        /// What the task's end has for a hardware address.
        var hardware: [UInt8] { Self.hardware(0x02, address) }

        /// What the host's end has: it says that the other end has `hardware`.
        var hostHardware: [UInt8] { Self.hardware(0x06, address) }

        /// The address that a link gives itself (RFC 4291, appendix A).
        var linkLocal: IPv6Address {
            let bytes = [hardware[0] ^ 2] + hardware[1...2] + [0xff, 0xfe] + hardware[3...]
            return IPv6Address(high: 0xfe80 << 48, low: bytes.reduce(0) { $0 << 8 | UInt64($1) })
        }

        /// One that is administered locally, and nobody else's on the bridge.
        static func hardware(_ first: UInt8, _ address: IPv4Address) -> [UInt8] { [first, 0xd5] + address.bytes }
    }

    /// What could be missing: nil when the kernel takes such rules.
    static func obstacle() -> String? {
        guard let nft = Executable.find("nft") else { return "nft is not installed" }
        var command = Command(nft, ["--check", "-f", "-"])
        command.input = Array(PortGuard(bridge: "dish-probe").script.utf8)
        guard let answer = try? command.runBlocking(), answer.status.isSuccess else {
            return "the kernel takes no rules for bridges (nftables)"
        }
        return nil
    }

    /// Whether this host was found to take no such rules.
    private static let impossible = Mutex(false)

    private static var isImpossible: Bool { impossible.withLock { $0 } }

    private static func giveUp() { impossible.withLock { $0 = true } }

    /// Makes the table, or brings it to its present form, with exactly these ports. Nothing, where the kernel takes none.
    func replaceAll(_ ports: [Port]) throws {
        guard let nft = Executable.find("nft") else { return Self.giveUp() }
        var command = Command(nft, ["-f", "-"])
        command.input = Array(script.utf8)
        let result = try command.runBlocking()
        guard result.status.isSuccess else {
            if Self.obstacle() != nil { return Self.giveUp() }
            let reason = result.errorText.split(separator: "\n").prefix(2).joined(separator: "; ")
            throw NetworkError(.failed, "set up the nftables table 'bridge \(bridge)': \(reason)")
        }
        if ports.isEmpty { return }
        for port in ports { try NetfilterTables.change(.add, elements(of: port)) }
    }

    /// Lets a port send what is its own. It must be done before there is the port.
    func admit(_ port: Port) throws {
        if Self.isImpossible { return }
        LeavingPorts.shared.keep(port, of: self)
        do {
            try NetfilterTables.change(.add, elements(of: port))
        } catch {
            if Self.obstacle() != nil { return Self.giveUp() }
            guard error.code == ENOENT else { throw error }
            // Somebody has removed the table, as reloading a firewall does.
            try replaceAll([])
            try NetfilterTables.change(.add, elements(of: port))
        }
    }

    /// Forgets a port, before long; one that isn't known is no error.
    func forget(_ port: Port) {
        if !Self.isImpossible { LeavingPorts.shared.add(port, of: self) }
    }

    func removeTable() throws {
        guard let nft = Executable.find("nft"), !Self.isImpossible else { return }
        var command = Command(nft, ["-f", "-"])
        command.input = Array("add table bridge \(bridge)\ndelete table bridge \(bridge)\n".utf8)
        let result = try command.runBlocking()
        if !result.status.isSuccess, Self.obstacle() == nil {
            throw NetworkError(.failed, "remove the nftables table 'bridge \(bridge)': \(result.errorText)")
        }
    }

    func elements(of port: Port) -> [NetfilterTables.Element] {
        let name = Array(port.link.utf8.prefix(15))
        let link = name + [UInt8](repeating: 0, count: 16 - name.count)
        // In the sets' keys each part is padded to four bytes.
        let hardware = link + port.hardware + [0, 0]
        let own6 = [port.linkLocal] + (port.address6.map { [$0] } ?? [])
        func element(_ set: String, _ key: [UInt8]) -> NetfilterTables.Element { .init(table: bridge, set: set, key: key) }
        return [element("senders", hardware + port.address.bytes)]
            + (own6 + [.any]).map { element("senders6", hardware + $0.bytes) }
            + own6.map { element("targets6", hardware + $0.bytes) }
            + [element("ports", link)]
    }

    /// Who has no address yet (`::`) may ask whether somebody else has it, for routers, and for groups.
    private var script: String {
        """
        add table bridge \(bridge)
        add set bridge \(bridge) ports { type ifname; }
        add set bridge \(bridge) senders { type ifname . ether_addr . ipv4_addr; }
        add set bridge \(bridge) senders6 { type ifname . ether_addr . ipv6_addr; }
        add set bridge \(bridge) targets6 { typeof iifname . ether saddr . @th,64,128; }
        add chain bridge \(bridge) port
        add chain bridge \(bridge) prerouting { type filter hook prerouting priority -300; policy accept; }
        flush chain bridge \(bridge) port
        flush chain bridge \(bridge) prerouting
        flush set bridge \(bridge) ports
        flush set bridge \(bridge) senders
        flush set bridge \(bridge) senders6
        flush set bridge \(bridge) targets6
        add rule bridge \(bridge) port ether type ip iifname . ether saddr . ip saddr @senders accept
        add rule bridge \(bridge) port ether type arp iifname . ether saddr . arp saddr ip @senders iifname . arp saddr ether . arp saddr ip @senders accept
        add rule bridge \(bridge) port icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets6 drop
        add rule bridge \(bridge) port icmpv6 type { nd-router-advert, nd-redirect } drop
        add rule bridge \(bridge) port ip6 saddr :: meta l4proto != ipv6-icmp drop
        add rule bridge \(bridge) port ip6 saddr :: icmpv6 type != { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } drop
        add rule bridge \(bridge) port ether type ip6 iifname . ether saddr . ip6 saddr @senders6 accept
        add rule bridge \(bridge) port drop
        add rule bridge \(bridge) prerouting iifname @ports jump port

        """
    }
}
