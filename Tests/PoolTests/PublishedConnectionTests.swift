import Fixtures
import Glibc
import Linux
import Networks
import Spec
import Testing

/// What becomes of those who send to a published port when its target changes.
@Suite(.requiresRoot)
struct PublishedConnectionTests {
    private typealias Place = (id: String, address: IPv4Address)

    private func withNetwork(_ body: (TaskNetwork, [Place]) async throws -> Void) async throws {
        let number = UInt32.random(in: 0 ... .max)
        let subnet = try #require(IPv4Subnet(try FreeNetwork.ipv4()))
        let network = try TaskNetwork(
            bridge: "dc\(String(number, radix: 36))", subnet: subnet, subnet6: IPv6Subnet(local: Array("\(number)".utf8)),
            namespaces: "\(try Scratch.make("connections"))/netns")
        let places = (0..<3).map { index in
            (id: String(number, radix: 16) + "\(index)", address: IPv4Address(value: subnet.gateway.value + 1 + UInt32(index)))
        }
        try network.prepare(published: [])
        func end() throws {
            for place in places { try network.disconnect(place.id, address: place.address, ports: []) }
            try network.remove()
        }
        do {
            try await body(network, places)
        } catch {
            try? end()
            throw error
        }
        try end()
    }

    /// Senders that use one port each from now on: of the host by IPv4 and IPv6, and of a task. Each has a file with its answers.
    private func senders(
        _ network: TaskNetwork, _ port: UInt16, _ neighbour: Place
    ) throws -> [(program: BackgroundProgram, file: String)] {
        let gateway = "\(network.subnet.gateway)"
        let gateway6 = "\(try #require(network.ipv6(of: network.subnet.gateway)))"
        let folder = try Scratch.make("senders")
        return try [("127.0.0.1", false), (gateway, false), (gateway6, false), (gateway, true), (gateway6, true)].enumerated().map
        {
            index, sender in
            let file = "\(folder)/\(index)"
            let program = try BackgroundProgram(
                BackgroundProgram.probe + ["udp", sender.0, "\(port)", file],
                in: sender.1 ? network.namespace(of: neighbour.id) : nil)
            return (program, file)
        }
    }

    /// Waits until all senders get an answer, or none.
    private func wait(
        for answer: String, _ senders: [(program: BackgroundProgram, file: String)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var last: [String] = []
        // A flow that is left alone lives for 30 s, and for 120 s once it was answered: here they never pause.
        for _ in 0..<300 {
            last = senders.map { sender in
                let lines = ((try? Files.readText(sender.file)) ?? "").split(separator: "\n")
                return lines.suffix(3).map(String.init).joined(separator: " ")
            }
            if last.allSatisfy({ $0 == "\(answer) \(answer) \(answer)" }) { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("not all senders reach '\(answer)': \(last)", sourceLocation: sourceLocation)
    }

    private func server(_ network: TaskNetwork, _ place: Place, _ name: String) throws -> BackgroundProgram {
        try BackgroundProgram(BackgroundProgram.probe + ["serve", "5300", name], in: network.namespace(of: place.id))
    }

    @Test func whoSendsOnReachesTheTaskThatHasThePortNow() async throws {
        try await withNetwork { network, places in
            let port = try FreePort.tcp()
            let published = try PublishedPort(parsing: "\(port):5300/udp")
            try await network.connect(places[2].id, address: places[2].address, ports: [])
            // Before there is anything to send to.
            let senders = try senders(network, port, places[2])
            try await wait(for: "-", senders)
            try await network.connect(places[0].id, address: places[0].address, ports: [published])
            let first = try server(network, places[0], "a")
            try await wait(for: "a", senders)
            // Another task gets the port.
            try network.disconnect(places[0].id, address: places[0].address, ports: [published])
            try await wait(for: "-", senders)
            try await network.connect(places[1].id, address: places[1].address, ports: [published])
            let second = try server(network, places[1], "b")
            try await wait(for: "b", senders)
            // The same task again, with the same address.
            try network.disconnect(places[1].id, address: places[1].address, ports: [published])
            try await network.connect(places[1].id, address: places[1].address, ports: [published])
            let third = try server(network, places[1], "c")
            try await wait(for: "c", senders)
            withExtendedLifetime([first, second, third]) {}
            try network.disconnect(places[1].id, address: places[1].address, ports: [published])
        }
    }

    @Test func whoSendsOnFollowsTheReplicasOfAJob() async throws {
        try await withNetwork { network, places in
            let port = try FreePort.tcp()
            let published = try PublishedPort(parsing: "\(port):5300/udp")
            for place in places { try await network.connect(place.id, address: place.address, ports: []) }
            let servers = try [server(network, places[0], "a"), server(network, places[1], "b")]
            let (a, b) = (places[0].address, places[1].address)
            let senders = try senders(network, port, places[2])
            try await wait(for: "-", senders)
            try network.balance([(published, [a])], before: [])
            try await wait(for: "a", senders)
            // One more changes nothing for those who are served.
            try network.balance([(published, [a, b])], before: [(published, [a])])
            try await wait(for: "a", senders)
            try network.balance([(published, [b])], before: [(published, [a, b])])
            try await wait(for: "b", senders)
            // An agent that has just been started doesn't know what there was.
            try network.balance([(published, [a])])
            try await wait(for: "a", senders)
            try network.balance([], before: [(published, [a])])
            try await wait(for: "-", senders)
            withExtendedLifetime(servers) {}
        }
    }

    /// What a flush, or a tool that manages networks, has removed.
    @Test func whatSomebodyRemovesIsPutRight() async throws {
        try await withNetwork { network, places in
            func run(_ words: String...) async throws {
                let outcome = try await Command("/usr/bin/env", words).run()
                #expect(outcome.status.isSuccess, "\(words): \(outcome.errorText)")
            }
            let (single, shared) = (try FreePort.tcp(), try FreePort.tcp())
            let (one, all) = (try PublishedPort(parsing: "\(single):5300/udp"), try PublishedPort(parsing: "\(shared):5300/udp"))
            try await network.connect(places[2].id, address: places[2].address, ports: [])
            try await network.connect(places[0].id, address: places[0].address, ports: [one])
            try network.balance([(all, [places[0].address])], before: [])
            let server = try server(network, places[0], "a")
            let senders = try senders(network, single, places[2]) + senders(network, shared, places[2])
            try await wait(for: "a", senders)
            #expect(try network.restore() == [])

            for table in ["ip", "ip6", "bridge"] { try await run("nft", "delete", "table", table, network.bridge) }
            try Files.set("/proc/sys/net/ipv4/conf/\(network.bridge)/route_localnet", "0")
            let restored = try network.restore()
            #expect(
                restored == [
                    "net.ipv4.conf.\(network.bridge).route_localnet", "the rules of published ports",
                    "the rules that tie tasks to their addresses",
                ])
            try await wait(for: "a", senders)

            try await run("ip", "link", "delete", network.bridge)
            let again = try network.restore()
            #expect(again.first == "the bridge" && again.contains("the route of ::1 over the bridge"), "\(again)")
            #expect(again.count { $0.hasPrefix("the port ve") } == 2, "\(again)")
            try await wait(for: "a", senders)
            #expect(try network.restore() == [])

            // A start doesn't wait for that.
            try await run("nft", "delete", "table", "ip", network.bridge)
            let other = try PublishedPort(parsing: "\(try FreePort.tcp()):5300/udp")
            try await network.connect(places[1].id, address: places[1].address, ports: [other])
            try await wait(for: "a", senders)
            #expect(try network.restore() == [])
            withExtendedLifetime(server) {}
            try network.disconnect(places[1].id, address: places[1].address, ports: [other])
            try network.disconnect(places[0].id, address: places[0].address, ports: [one])
        }
    }

    @Test func aBridgeThatNoAgentMadeIsLeftAlone() async throws {
        let name = "dx\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        func ip(_ words: String...) async throws -> Bool {
            try await Command("/usr/bin/env", ["ip", "link"] + words).run().status.isSuccess
        }
        for kind in ["bridge", "veth"] {
            #expect(try await ip("add", name, "type", kind))
            let network = try TaskNetwork(bridge: name, subnet: try #require(IPv4Subnet(try FreeNetwork.ipv4())))
            let error = #expect(throws: NetworkError.self) { try network.prepare(published: []) }
            #expect(error?.code == .conflict && error?.description.contains("that no agent made") == true)
            #expect(try await ip("delete", name))
        }
    }
}
