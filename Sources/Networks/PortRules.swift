import Linux
import Spec

/// The nftables table of a task network for one family of addresses: translation for what leaves it, and for published ports.
///
/// Published ports are elements of two maps, so a task's ports come and go in one transaction while the rules stay.
struct PortRules: Sendable {
    enum Family: String, Sendable {
        case ip, ip6

        var addresses: String { self == .ip ? "ipv4_addr" : "ipv6_addr" }
        /// Addresses of loopback, as rules have them.
        var loopback: String { self == .ip ? "127.0.0.0/8" : "::1" }
    }

    let bridge: String
    let family: Family
    /// The tasks' addresses.
    let subnet: String

    /// Ports of which the address is one of this family, with addresses of it.
    typealias Published = (port: PublishedPort, task: String)
    /// A port that leads to several tasks.
    typealias Service = (port: PublishedPort, tasks: [String])

    private var table: String { "\(family.rawValue) \(bridge)" }

    /// Makes the table, or brings it to its present form, with exactly these ports.
    func replaceAll(_ published: [Published]) throws { try make(published, flushing: true) }

    /// Makes the table again where its rules are gone. Ports that come meanwhile stay.
    ///
    /// - Returns: whether they were.
    func restore(_ published: [Published], _ services: [Service]) throws -> Bool {
        // NFPROTO_IPV4, NFPROTO_IPV6.
        if try NetfilterTables.hasRules(family == .ip ? 2 : 10, table: bridge, chain: "prerouting") { return false }
        try make(published, flushing: false)
        try balance(services)
        return true
    }

    private func make(_ published: [Published], flushing: Bool) throws {
        let flush = flushing ? "flush map \(table) ports\nflush map \(table) address-ports" : ""
        let keys = "inet_proto . inet_service : \(family.addresses) . inet_service"
        try run(
            """
            add table \(table)
            add map \(table) ports { type \(keys); }
            add map \(table) address-ports { type \(family.addresses) . \(keys); }
            add chain \(table) jobs
            add chain \(table) guard { type filter hook prerouting priority raw; }
            add chain \(table) prerouting { type nat hook prerouting priority dstnat; }
            add chain \(table) output { type nat hook output priority -100; }
            add chain \(table) postrouting { type nat hook postrouting priority srcnat; }
            flush chain \(table) guard
            flush chain \(table) prerouting
            flush chain \(table) output
            flush chain \(table) postrouting
            \(flush)
            add rule \(table) guard iifname "\(bridge)" \(family.rawValue) daddr \(family.loopback) drop
            \(["prerouting", "output"].map(translation).joined(separator: "\n"))
            add rule \(table) postrouting \(family.rawValue) saddr \(subnet) oifname != "\(bridge)" masquerade
            add rule \(table) postrouting oifname "\(bridge)" \(family.rawValue) saddr \(family.loopback) masquerade
            add rule \(table) postrouting oifname "\(bridge)" \(family.rawValue) saddr \(subnet) ct status dnat masquerade
            \(own(published).map { element($0.port, $0.task) }.joined(separator: "\n"))

            """)
    }

    func add(_ ports: [PublishedPort], to task: String) throws {
        let elements = own(ports.map { ($0, task) })
        if !elements.isEmpty { try run(elements.map { element($0.port, $0.task) + "\n" }.joined()) }
    }

    /// Removes ports; those that aren't there are no error.
    func remove(_ ports: [PublishedPort]) throws {
        for (port, _) in own(ports.map { ($0, "") }) {
            do {
                try run("delete element \(table) \(map(port)) { \(key(port)) }\n")
            } catch let error as NetworkError where error.code == .missing {}
        }
    }

    /// Makes these the only ports that lead to several tasks, each connection to the next of them; one without tasks
    /// leads nowhere. It is one transaction: no connection finds it half-done. What is connected stays connected, as
    /// the kernel looks rules up for the first packet of a connection only.
    func balance(_ services: [Service]) throws {
        let rules = services.filter { !$0.tasks.isEmpty && isOwn($0.port) }.map { service in
            let port = service.port
            let destination = address(port).map { "\(family.rawValue) daddr \($0)" } ?? "fib daddr type local"
            let turns = service.tasks.enumerated().map { "\($0.offset) : \($0.element)" }.joined(separator: ", ")
            return
                "add rule \(table) jobs \(destination) \(port.transport.rawValue) dport \(port.hostPort) dnat to numgen inc mod \(service.tasks.count) map { \(turns) } : \(port.taskPort)\n"
        }
        try run("add table \(table)\nadd chain \(table) jobs\nflush chain \(table) jobs\n\(rules.joined())")
    }

    /// Tells whether a table of an agent, as nft(8) lists it, has a port of the host that another port overlaps.
    static func publishes(_ port: PublishedPort, in table: String, _ family: Family) -> Bool {
        func overlaps(_ address: Substring?) -> Bool {
            guard let address else { return true }
            return switch port.host {
            case .all, .allIPv6: true
            case .ipv4(let own): "\(own)" == address
            case .ipv6(let own): "\(own)" == address
            }
        }
        // Elements of the maps, "127.0.0.1 . tcp . 8080 : 10.209.0.2 . 80", and rules of jobs, "ip daddr 127.0.0.1 tcp dport 8080 dnat".
        let end = "\(port.transport.rawValue) . \(port.hostPort) :"
        let rule = "\(port.transport.rawValue) dport \(port.hostPort) dnat"
        return table.split(whereSeparator: { "\n,{".contains($0) }).contains { part in
            let words = part.split(whereSeparator: \.isWhitespace)
            let text = words.joined(separator: " ")
            if text.hasPrefix(end) { return overlaps(nil) }
            if words.count > 2, words[1] == ".", text.dropFirst(words[0].count + 3).hasPrefix(end) { return overlaps(words[0]) }
            guard text.contains(rule) else { return false }
            let isOne = words.count > 2 && words[0] == family.rawValue && words[1] == "daddr"
            return overlaps(isOne ? words[2] : nil)
        }
    }

    func removeTable() throws {
        // Adding first makes deleting succeed in any case.
        try run("add table \(table)\ndelete table \(table)\n")
    }

    private func translation(_ chain: String) -> String {
        let name = family.rawValue
        return """
            add rule \(table) \(chain) jump jobs
            add rule \(table) \(chain) dnat \(name) to \(name) daddr . meta l4proto . th dport map @address-ports
            add rule \(table) \(chain) fib daddr type local dnat \(name) to meta l4proto . th dport map @ports
            """
    }

    private func isOwn(_ port: PublishedPort) -> Bool { family == .ip ? port.host.hasIPv4 : port.host.hasIPv6 }

    private func own(_ ports: [Published]) -> [Published] { ports.filter { isOwn($0.port) } }

    private func element(_ port: PublishedPort, _ task: String) -> String {
        "add element \(table) \(map(port)) { \(key(port)) : \(task) . \(port.taskPort) }"
    }

    private func map(_ port: PublishedPort) -> String { address(port) == nil ? "ports" : "address-ports" }

    private func key(_ port: PublishedPort) -> String {
        "\(address(port).map { "\($0) . " } ?? "")\(port.transport.rawValue) . \(port.hostPort)"
    }

    /// The one address of the host that it is published on; nil for all.
    private func address(_ port: PublishedPort) -> String? {
        switch port.host {
        case .all, .allIPv6: nil
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        }
    }

    private func run(_ script: String) throws {
        guard let program = Executable.find("nft") else {
            throw NetworkError(
                .notInstalled,
                "cannot set up the tasks' network: nft is not installed; install it: apt-get install nftables (or: dish run --network host)"
            )
        }
        var command = Command(program, ["-f", "-"])
        command.input = Array(script.utf8)
        let result = try command.runBlocking()
        guard result.status.isSuccess else {
            let reason = result.errorText.split(separator: "\n").prefix(2).joined(separator: "; ")
            // nft has one exit code for all that the kernel refuses.
            let isMissing = result.errorText.contains("No such file or directory")
            throw NetworkError(isMissing ? .missing : .failed, "set up the nftables table '\(table)': \(reason)")
        }
    }
}
