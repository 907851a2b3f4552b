import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// The agent is killed at random moments while tasks come, go, stop and start.
@Suite(.requiresRoot)
struct AgentKillTests {
    /// How many moments: `DISH_KILLS` sets another number (docs/tasks.md).
    private static let kills = getenv("DISH_KILLS").flatMap { Int(String(cString: $0)) } ?? 8
    private static let names = ["k0", "k1", "k2", "k3", "k4", "k5"]

    /// What runs in a task, and nowhere else on the host.
    private static func program(_ name: String) -> String { "sleep 86399\(name.dropFirst())" }

    private static func run(_ host: TestHost, _ name: String) async throws -> Outcome {
        try await host.dish(
            "run", "--name", name, "-d", "--restart", name == "k5" ? "no" : "always", "--restart-backoff", "0.1", "//os:base",
            "--",
            "/bin/sh", "-c", "exec \(program(name))")
    }

    private static func copies(_ name: String) -> Int {
        Inventory.processes(mentioning: program(name)).filter { $0.command.hasPrefix(program(name)) }.count
    }

    @Test func whatIsWantedIsReachedAndNothingRunsTwice() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { first in
            _ = try await host.dish("run", "--rm", "//os:base", "--", "/bin/true")
            let before = try Inventory(pool: pool, of: host)
            var agent = first
            for _ in 0..<Self.kills {
                let dying = agent
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for name in Self.names {
                        group.addTask {
                            try await Task.sleep(for: .milliseconds(Int.random(in: 0...100)))
                            switch Int.random(in: 0..<6) {
                            case 0: _ = try await host.dish("stop", "-t", "0", name)
                            case 1: _ = try await host.dish("restart", "-t", "0", name)
                            case 2: _ = try await host.dish("rm", "--force", name)
                            case 3: _ = try await host.dish("start", name)
                            default: _ = try await Self.run(host, name)
                            }
                        }
                    }
                    group.addTask {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0...500)))
                        dying.kill()
                    }
                    try await group.waitForAll()
                }
                agent = try await host.startAgent()
                for task in try await host.client.tasks() {
                    #expect(
                        Inventory.processes(mentioning: "tasks/\(task.id)/spec-").filter { $0.command.contains("dish-helper") }
                            .count
                            <= 1)
                }
                for name in Self.names { #expect(Self.copies(name) <= 1, "\(name)") }
            }

            // What each shall be in the end is said once more; then it must be so, and stay so.
            for (index, name) in Self.names.enumerated() {
                let exists = try await host.dish("inspect", name).code == 0
                switch index % 3 {
                case 0:
                    let up = exists ? try await host.dish("start", name) : try await Self.run(host, name)
                    #expect(up.code == 0, "\(up)\n\(host.agentLog)")
                case 1: if exists { #expect(try await host.dish("stop", "-t", "0", name).code == 0) }
                default: #expect(try await host.dish("rm", "--force", name).code == 0)
                }
            }
            agent.kill()
            _ = try await host.startAgent()
            for (index, name) in Self.names.enumerated() {
                if index % 3 == 0 { _ = try await host.wait(for: name) { $0.state == .running } }
                #expect(Self.copies(name) == (index % 3 == 0 ? 1 : 0), "\(name)")
            }
            for task in try await host.client.tasks() {
                let wanted: TaskStatus.State? = ["k0", "k3"].contains(task.name) ? .running : nil
                #expect(wanted == nil ? task.state.hasEnded : task.state == wanted, "\(task)")
            }
            for name in Self.names { #expect(try await host.dish("rm", "--force", name).code == 0) }
            // The last namespaces and groups go a moment after what was in them.
            var left = ["?"]
            for _ in 0..<50 where !left.isEmpty {
                left = try Inventory(pool: pool, of: host).beyond(before).filter { !$0.hasPrefix("link") }
                if !left.isEmpty { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(left == [], "\(host.agentLog)")
        }
    }
}
