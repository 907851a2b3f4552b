import Glibc
import Linux
import Spec
import Synchronization

/// Ties each task's port of a bridge to its addresses: frames with another sender, be it Ethernet, ARP, IPv4 or IPv6, or that
/// say where another address is, are dropped where they come in.
///
/// It is an nftables table of the bridge family. What a port may send are elements of four sets, so that a start adds a few
/// elements in one message and no rule.
struct PortGuard: Sendable, Hashable {
    let bridge: String
    /// nft(8) itself; nil for the installed one.
    var program: String?

    /// A task's port.
    struct Port: Sendable, Hashable {
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

    /// The reason why this host takes no such rules, or why nft(8) can't be asked; nil when it takes them.
    func obstacle() -> String? {
        do {
            let answer = try nft(Arguments().flag("check"), Self(bridge: "dish-probe").script)
            return answer.status.isSuccess ? nil : Self.reason(answer)
        } catch {
            return "\(error)"
        }
    }

    /// Tells whether a kernel without nftables for bridges says this: it knows no table of the family, or no chain.
    static func isUnsupported(_ answer: String) -> Bool {
        let reasons = ["Operation not supported", "Address family not supported", "Protocol not supported"]
        return reasons.contains { answer.contains($0) }
    }

    /// Bridges for which the kernel was found to take no such rules.
    private static let unguarded = Mutex<Set<String>>([])

    private var isUnguarded: Bool {
        get { Self.unguarded.withLock { $0.contains(bridge) } }
        nonmutating set {
            let bridge = bridge
            Self.unguarded.withLock { unguarded in
                if newValue { unguarded.insert(bridge) } else { unguarded.remove(bridge) }
            }
        }
    }

    /// Makes the table, or brings it to its present form, with exactly these ports, all at once.
    ///
    /// - Returns: why there is none, where the kernel takes no such table; nil when there is one.
    func replaceAll(_ ports: [Port]) throws -> String? {
        try GuardedPorts.shared.withTables {
            GuardedPorts.shared.replace(with: ports, of: self)
            let answer = try nft(Arguments(), script + flush + ports.map(text).joined())
            isUnguarded = false
            if answer.status.isSuccess { return nil }
            guard try isFamilyMissing() else { throw failure(answer) }
            isUnguarded = true
            return "the kernel takes no rules for bridges (nftables): \(Self.reason(answer))"
        }
    }

    /// Lets a port send what is its own. It must be done before there is the port.
    func admit(_ port: Port) throws {
        if isUnguarded { return }
        GuardedPorts.shared.keep(port, of: self)
        do {
            try NetfilterTables.change(.add, elements(of: port))
        } catch {
            guard error.code == ENOENT else { throw error }
            try restore(asking: port)
        }
    }

    /// Makes the table again, with all its ports, where somebody has removed it, as reloading a firewall does.
    ///
    /// - Parameter port: one of them, to see whether it is there; nil for any.
    /// - Returns: whether it wasn't there.
    @discardableResult
    func restore(asking port: Port? = nil) throws -> Bool {
        if isUnguarded { return false }
        return try GuardedPorts.shared.withTables {
            let ports = GuardedPorts.shared.ports(of: self)
            guard let one = port ?? ports.first else { return false }
            do {
                // To add what is there changes nothing.
                try NetfilterTables.change(.add, elements(of: one))
                return false
            } catch let error as SystemError where error.code == ENOENT {}
            // Ports that come meanwhile stay: no set is flushed.
            let answer = try nft(Arguments(), script + ports.map(text).joined())
            guard answer.status.isSuccess else { throw failure(answer) }
            return true
        }
    }

    /// Forgets a port, before long; one that isn't known is no error.
    func forget(_ port: Port) {
        if !isUnguarded { GuardedPorts.shared.forget(port, of: self) }
    }

    func removeTable() throws {
        if isUnguarded { return }
        try GuardedPorts.shared.withTables {
            GuardedPorts.shared.replace(with: [], of: self)
            let answer = try nft(Arguments(), "add table bridge \(bridge)\ndelete table bridge \(bridge)\n")
            if !answer.status.isSuccess, try !isFamilyMissing() {
                throw NetworkError(.failed, "remove the nftables table 'bridge \(bridge)': \(Self.reason(answer))")
            }
        }
    }

    private func nft(_ options: Arguments, _ script: String) throws -> Command.Result {
        guard let program = program ?? Executable.find("nft") else {
            throw NetworkError(.notInstalled, "nft is not installed; install it: apt-get install nftables")
        }
        var command = Command(program, options.words("-f", "-"))
        command.input = Array(script.utf8)
        return try command.runBlocking()
    }

    /// Asks for the least that needs the kernel's part for bridges, so that whatever else is wrong with a script isn't taken for it.
    private func isFamilyMissing() throws -> Bool {
        let least = """
            add table bridge dish-probe
            add chain bridge dish-probe prerouting { type filter hook prerouting priority -300; }

            """
        let answer = try nft(Arguments().flag("check"), least)
        // A module for chains that isn't there is no file.
        return !answer.status.isSuccess
            && (Self.isUnsupported(answer.errorText) || answer.errorText.contains("No such file or directory"))
    }

    private func failure(_ answer: Command.Result) -> NetworkError {
        NetworkError(.failed, "set up the nftables table 'bridge \(bridge)': \(Self.reason(answer))")
    }

    /// The first line of what nft(8) says.
    private static func reason(_ answer: Command.Result) -> String {
        let line = answer.errorText.split(separator: "\n").first.map(String.init)
        return line ?? "nft failed and said nothing (\(answer.status))"
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

    /// A port's elements in a script.
    private func text(_ port: Port) -> String {
        func hexadecimal(_ bytes: [UInt8]) -> [String] { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) } }
        let hardware = "\"\(port.link)\" . \(hexadecimal(port.hardware).joined(separator: ":"))"
        let own6 = [port.linkLocal] + (port.address6.map { [$0] } ?? [])
        func keys(_ addresses: [String]) -> String { addresses.map { "\(hardware) . \($0)" }.joined(separator: ", ") }
        return """
            add element bridge \(bridge) senders { \(keys(["\(port.address)"])) }
            add element bridge \(bridge) senders6 { \(keys((own6 + [.any]).map { "\($0)" })) }
            add element bridge \(bridge) targets6 { \(keys(own6.map { "0x" + hexadecimal($0.bytes).joined() })) }
            add element bridge \(bridge) ports { "\(port.link)" }

            """
    }

    private var flush: String {
        ["ports", "senders", "senders6", "targets6"].map { "flush set bridge \(bridge) \($0)\n" }.joined()
    }

    /// Frames to the bridge's own groups (01:80:c2:00:00:0X) that it never forwards come to its input alone.
    ///
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
        add chain bridge \(bridge) input { type filter hook input priority -300; policy accept; }
        flush chain bridge \(bridge) input
        flush chain bridge \(bridge) port
        flush chain bridge \(bridge) prerouting
        add rule bridge \(bridge) port ether type ip iifname . ether saddr . ip saddr @senders accept
        add rule bridge \(bridge) port ether type arp iifname . ether saddr . arp saddr ip @senders iifname . arp saddr ether . arp saddr ip @senders accept
        add rule bridge \(bridge) port icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @targets6 drop
        add rule bridge \(bridge) port icmpv6 type { nd-router-advert, nd-redirect } drop
        add rule bridge \(bridge) port ip6 saddr :: meta l4proto != ipv6-icmp drop
        add rule bridge \(bridge) port ip6 saddr :: icmpv6 type != { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } drop
        add rule bridge \(bridge) port ether type ip6 iifname . ether saddr . ip6 saddr @senders6 accept
        add rule bridge \(bridge) port drop
        add rule bridge \(bridge) prerouting iifname @ports jump port
        add rule bridge \(bridge) input iifname @ports ether daddr and ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop

        """
    }
}
