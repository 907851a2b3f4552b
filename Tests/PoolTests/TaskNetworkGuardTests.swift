import Fixtures
import Glibc
import Linux
import Networks
import Spec
import Testing

/// What tasks can do to each other on the bridge, and others to the agent's namespaces.
@Suite(.requiresRoot)
struct TaskNetworkGuardTests {
    /// Runs a body with a network of its own, and two tasks' namespaces.
    private func withNetwork(_ body: (TaskNetwork, [(id: String, address: IPv4Address)]) async throws -> Void) async throws {
        let number = UInt32.random(in: 0 ... .max)
        let subnet = try #require(IPv4Subnet(try FreeNetwork.ipv4()))
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
            try network.disconnect(tasks[1].id, address: tasks[1].address, ports: [])
            try await network.connect(tasks[1].id, address: tasks[1].address, ports: [])
            #expect(try await sent(network, tasks) == own)
        }
    }

    /// Tells whether the bridge has learned the sender of the frames to its own groups.
    private func hasLearned(_ network: TaskNetwork) async throws -> Bool {
        let table = try await Command("/usr/bin/env", ["bridge", "fdb", "show", "br", network.bridge]).run()
        #expect(table.status.isSuccess, "\(table.errorText)")
        return table.text.contains("02:00:00:00:00:0e")
    }

    /// The elements of the guard's sets that name a task's link.
    private func elements(of task: (id: String, address: IPv4Address), _ network: TaskNetwork) async throws -> [String] {
        let table = try await Command("/usr/bin/env", ["nft", "list", "table", "bridge", network.bridge]).run()
        #expect(table.status.isSuccess, "\(table.errorText)")
        return table.text.split { "\n,{}".contains($0) }.map { $0.filter { $0 != " " && $0 != "\t" } }
            .filter { $0.contains("\"ve\(task.id)\"") }
    }

    @Test func aBridgeLearnsNothingFromFramesToItsOwnGroups() async throws {
        try await withNetwork { network, tasks in
            let attributes = "/sys/class/net/\(network.bridge)/bridge"
            _ = try await sent(network, tasks)
            #expect(try await !hasLearned(network))
            // Either of the two holds by itself.
            try Files.set("\(attributes)/no_linklocal_learn", "0")
            _ = try await sent(network, tasks)
            #expect(try await !hasLearned(network))
            try Files.set("\(attributes)/group_fwd_mask", "0")
            _ = try await sent(network, tasks)
            #expect(try await hasLearned(network), "the frames don't arrive")
            // A bridge of an earlier agent.
            try network.prepare(published: [], tasks: tasks)
            #expect(try Files.readText("\(attributes)/no_linklocal_learn") == "1\n")
            #expect(try Files.readText("\(attributes)/group_fwd_mask") == "0xfff8\n")
        }
    }

    @Test func rulesThatWereRemovedComeBackForAllTasks() async throws {
        try await withNetwork { network, tasks in
            let before = try await [elements(of: tasks[0], network), elements(of: tasks[1], network)].map(Set.init)
            #expect(before[0].count > 5 && before[1].count == before[0].count)
            #expect(try !network.restoreGuard())
            #expect(
                try await Command("/usr/bin/env", ["nft", "delete", "table", "bridge", network.bridge]).run().status.isSuccess)
            #expect(try network.restoreGuard())
            let after = try await [elements(of: tasks[0], network), elements(of: tasks[1], network)].map(Set.init)
            #expect(after == before)
            // Two starts at once leave each other's.
            for _ in 0..<5 {
                for task in tasks { try network.disconnect(task.id, address: task.address, ports: []) }
                _ = try await Command("/usr/bin/env", ["nft", "delete", "table", "bridge", network.bridge]).run()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in tasks {
                        group.addTask { try await network.connect(task.id, address: task.address, ports: []) }
                    }
                    try await group.waitForAll()
                }
                let both = try await [elements(of: tasks[0], network), elements(of: tasks[1], network)].map(Set.init)
                #expect(both == before)
            }
        }
    }

    @Test func aRunWithAnotherAddressKeepsItsGuard() async throws {
        try await withNetwork { network, tasks in
            let task = tasks[0]
            let other = IPv4Address(value: task.address.value + 40)
            for round in 0..<6 {
                let (old, new) = round % 2 == 0 ? (task.address, other) : (other, task.address)
                try network.disconnect(task.id, address: old, ports: [])
                try await network.connect(task.id, address: new, ports: [])
                try await Task.sleep(for: .milliseconds(round == 0 ? 300 : 120))
                let elements = try await elements(of: task, network)
                #expect(elements.contains("\"ve\(task.id)\""), "it isn't guarded")
                #expect(elements.contains { $0.hasSuffix(".\(new)") } && !elements.contains { $0.hasSuffix(".\(old)") })
            }
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
