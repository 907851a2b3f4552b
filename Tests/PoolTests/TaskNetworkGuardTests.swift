import Fixtures
import Glibc
import Linux
import Networks
import Testing

/// What tasks can do to each other on the bridge, and others to the agent's namespaces.
@Suite(.requiresRoot)
struct TaskNetworkGuardTests {
    /// Runs a body with a network of its own, and two tasks' namespaces.
    private func withNetwork(_ body: (TaskNetwork, [(id: String, address: IPv4Address)]) async throws -> Void) async throws {
        let number = UInt32.random(in: 0 ... .max)
        let subnet = try #require(IPv4Subnet("10.\(64 + number % 128).\(number >> 8 & 255).0/24"))
        let folder = try Scratch.make("network")
        let network = try TaskNetwork(
            bridge: "dg\(String(number, radix: 36))", subnet: subnet, subnet6: IPv6Subnet(local: Array("\(number)".utf8)),
            namespaces: "\(folder)/netns")
        let tasks = (0..<2).map { index in
            (id: String(number, radix: 16) + "\(index)", address: IPv4Address(value: subnet.gateway.value + 1 + UInt32(index)))
        }
        try network.prepare(published: [])
        func end() throws {
            for task in tasks { try network.disconnect(task.id, address: task.address, ports: []) }
            try network.remove()
        }
        do {
            for task in tasks { try await network.connect(task.id, address: task.address, ports: []) }
            try await body(network, tasks)
        } catch {
            try? end()
            throw error
        }
        try end()
    }

    private func sent(_ network: TaskNetwork, _ tasks: [(id: String, address: IPv4Address)]) async throws -> Set<String> {
        let script = "\(Programs.repository)/Tests/Fixtures/bridge_sender.py"
        let addresses = try tasks.flatMap { ["\($0.address)", "\(try #require(network.ipv6(of: $0.address)))"] }
        let outcome = try await Command(
            "/usr/bin/env", ["python3", script, network.bridge, network.namespace(of: tasks[0].id)] + addresses
        ).run()
        #expect(outcome.status.isSuccess, "\(outcome.errorText)")
        return Set(outcome.text.split(separator: "\n").map(String.init))
    }

    @Test func aTaskSendsFromItsOwnAddressesOnly() async throws {
        try await withNetwork { network, tasks in
            let own: Set<String> = ["own 4", "own 6", "own local 6", "own arp", "own advert", "own solicit"]
            #expect(try await sent(network, tasks) == own)
            // Another agent finds them, and forgets nothing.
            try network.prepare(published: [], tasks: tasks)
            #expect(try await sent(network, tasks) == own)
            // What reloads the firewall takes the rules away; the next start brings them back.
            let flushed = try await Command("/usr/bin/env", ["nft", "delete", "table", "bridge", network.bridge]).run()
            #expect(flushed.status.isSuccess, "\(flushed.errorText)")
            let unguarded = try await sent(network, tasks)
            #expect(unguarded.isSuperset(of: own) && unguarded.isSuperset(of: ["false 4", "false freebind", "false advert"]))
            try network.disconnect(tasks[0].id, address: tasks[0].address, ports: [])
            try await network.connect(tasks[0].id, address: tasks[0].address, ports: [])
            #expect(try await sent(network, tasks) == own)
        }
    }

    @Test func namespacesOfOthersChangeNothing() async throws {
        let wasMounted = try Mounts.list().contains { $0.path == "/run/netns" }
        try await withNetwork { network, tasks in
            let name = "other-\(tasks[0].id)"
            // It makes /run/netns a mount.
            #expect(try await Command("/usr/bin/env", ["ip", "netns", "add", name]).run().status.isSuccess)
            try network.disconnect(tasks[0].id, address: tasks[0].address, ports: [])
            try await network.connect(tasks[0].id, address: tasks[0].address, ports: [])
            #expect(try await Command("/usr/bin/env", ["ip", "netns", "delete", name]).run().status.isSuccess)
        }
        if !wasMounted { try Mounts.unmount("/run/netns") }
    }
}
