import Linux

/// The nftables table of a task network: address translation for what leaves it, and for published ports.
///
/// Published ports are elements of two maps, so a task's ports come and go in one transaction while the rules stay.
struct PortRules: Sendable {
    let bridge: String
    let subnet: IPv4Subnet

    /// Makes the table, or brings it to its present form, with exactly these ports.
    func replaceAll(_ published: [(port: PublishedPort, task: IPv4Address)]) throws {
        try run(
            """
            add table ip \(bridge)
            add map ip \(bridge) ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
            add map ip \(bridge) address-ports { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
            add chain ip \(bridge) jobs
            add chain ip \(bridge) guard { type filter hook prerouting priority raw; }
            add chain ip \(bridge) prerouting { type nat hook prerouting priority dstnat; }
            add chain ip \(bridge) output { type nat hook output priority -100; }
            add chain ip \(bridge) postrouting { type nat hook postrouting priority srcnat; }
            flush chain ip \(bridge) guard
            flush chain ip \(bridge) prerouting
            flush chain ip \(bridge) output
            flush chain ip \(bridge) postrouting
            flush map ip \(bridge) ports
            flush map ip \(bridge) address-ports
            add rule ip \(bridge) guard iifname "\(bridge)" ip daddr 127.0.0.0/8 drop
            \(["prerouting", "output"].map(translation).joined(separator: "\n"))
            add rule ip \(bridge) postrouting ip saddr \(subnet) oifname != "\(bridge)" masquerade
            add rule ip \(bridge) postrouting oifname "\(bridge)" ip saddr 127.0.0.0/8 masquerade
            add rule ip \(bridge) postrouting oifname "\(bridge)" ip saddr \(subnet) ct status dnat masquerade
            \(published.map { element($0.port, $0.task) }.joined(separator: "\n"))

            """)
    }

    func add(_ ports: [PublishedPort], to task: IPv4Address) throws {
        try run(ports.map { element($0, task) + "\n" }.joined())
    }

    /// Removes ports; those that aren't there are no error.
    func remove(_ ports: [PublishedPort]) throws {
        for port in ports {
            do {
                try run("delete element ip \(bridge) \(map(port)) { \(key(port)) }\n")
            } catch let error as NetworkError where error.description.contains("No such file or directory") {}
        }
    }

    /// Makes these the only ports that lead to several tasks, each connection to the next of them; one without tasks
    /// leads nowhere. It is one transaction: no connection finds it half-done. What is connected stays connected, as
    /// the kernel looks rules up for the first packet of a connection only.
    func balance(_ services: [(port: PublishedPort, tasks: [IPv4Address])]) throws {
        let rules = services.filter { !$0.tasks.isEmpty }.map { service in
            let port = service.port
            let destination = port.address.map { "ip daddr \($0)" } ?? "fib daddr type local"
            let turns = service.tasks.enumerated().map { "\($0.offset) : \($0.element)" }.joined(separator: ", ")
            return
                "add rule ip \(bridge) jobs \(destination) \(port.transport.rawValue) dport \(port.hostPort) dnat to numgen inc mod \(service.tasks.count) map { \(turns) } : \(port.taskPort)\n"
        }
        try run("add table ip \(bridge)\nadd chain ip \(bridge) jobs\nflush chain ip \(bridge) jobs\n\(rules.joined())")
    }

    func removeTable() throws {
        // Adding first makes deleting succeed in any case.
        try run("add table ip \(bridge)\ndelete table ip \(bridge)\n")
    }

    private func translation(_ chain: String) -> String {
        """
        add rule ip \(bridge) \(chain) jump jobs
        add rule ip \(bridge) \(chain) dnat ip to ip daddr . meta l4proto . th dport map @address-ports
        add rule ip \(bridge) \(chain) fib daddr type local dnat ip to meta l4proto . th dport map @ports
        """
    }

    private func element(_ port: PublishedPort, _ task: IPv4Address) -> String {
        "add element ip \(bridge) \(map(port)) { \(key(port)) : \(task) . \(port.taskPort) }"
    }

    private func map(_ port: PublishedPort) -> String { port.address == nil ? "ports" : "address-ports" }

    private func key(_ port: PublishedPort) -> String {
        "\(port.address.map { "\($0) . " } ?? "")\(port.transport.rawValue) . \(port.hostPort)"
    }

    private func run(_ script: String) throws {
        guard let program = Executable.find("nft") else {
            throw NetworkError(
                .notInstalled,
                "cannot set up the tasks' network: nft is not installed; install it: apt-get install nftables (or use --network host)"
            )
        }
        var command = Command(program, ["-f", "-"])
        command.input = Array(script.utf8)
        let result = try command.runBlocking()
        guard result.status.isSuccess else {
            let reason = result.errorText.split(separator: "\n").prefix(2).joined(separator: "; ")
            throw NetworkError(.failed, "set up the nftables table '\(bridge)': \(reason)")
        }
    }
}
