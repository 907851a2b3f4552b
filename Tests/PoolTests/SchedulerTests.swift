import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Linux
import Testing

/// A scheduler elsewhere: what it assigns, what becomes of jobs while it is away, and when it is back (docs/heartbeat.md).
@Suite(.requiresRoot)
struct SchedulerTests {
    private func answer(_ scheduler: String, epoch: Int, revision: Int, _ jobs: [String]) -> String {
        """
        {"format": 1, "scheduler": "\(scheduler)", "epoch": \(epoch), "revision": \(revision), "interval": 1,
         "assignments": [\(jobs.joined(separator: ", "))]}
        """
    }

    private func job(_ name: String, stopAfter seconds: Int?) -> String {
        let end = seconds.map { ", \"stopWithoutScheduler\": \($0)" } ?? ""
        return """
            {"name": "\(name)", "drain": 0, "stopTimeout": 1\(end),
             "task": {"image": "//os:base", "command": ["sleep", "8639\(name.utf8.count)"]}}
            """
    }

    /// The processes of jobs' replicas.
    private func running(_ host: TestHost) async throws -> [String: Int] {
        let tasks = try await host.client.tasks().filter { $0.state == .running }
        return Dictionary(uniqueKeysWithValues: tasks.compactMap { task in task.processes?.leader.map { (task.name, $0) } })
    }

    private func wait(_ host: TestHost, _ what: String, until condition: () async throws -> Bool) async throws {
        for _ in 0..<300 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw FixtureError("never: \(what); \(try await host.client.host())\n\(host.agentLog)")
    }

    @Test func jobsFollowTheirSchedulerThroughItsAbsenceAndReturn() async throws {
        let host = try await SharedPool.shared.host()
        let scheduler = try await SmallScheduler()
        let options = ["--scheduler", scheduler.url, "--scheduler-interval", "1"]
        let (brief, lasting) = (job("brief", stopAfter: 3), job("lasting", stopAfter: nil))
        try scheduler.answer(answer("a", epoch: 5, revision: 1, [brief, lasting]))
        try await host.withAgent(options) { agent in
            try await wait(host, "both run") { try await running(host).keys.sorted() == ["brief-1", "lasting-1"] }
            let first = try await running(host)
            func heartbeat() throws -> HostHeartbeat {
                try JSONDecoder().decode(HostHeartbeat.self, from: Data(scheduler.last.utf8))
            }
            try await wait(host, "the heartbeat tells of it") { try heartbeat().tasks.filter { $0.state == .running }.count == 2 }
            let told = try heartbeat()
            #expect(told.format == 1 && told.epoch == 5 && told.revision == 1 && !told.boot.isEmpty)
            #expect(told.tasks.allSatisfy { $0.generation == 1 } && told.jobs.allSatisfy(\.isAssigned))
            #expect(told.images.contains { $0.names.contains("//os:base") } && told.pool.isWritable)
            let refused = try await host.dish("job", "rm", "lasting")
            #expect(refused.code == 1 && refused.errors.contains("was assigned by this host's scheduler"), "\(refused)")

            // Away: by the host's clock, and over a restart of the agent, one ends and the other doesn't notice.
            try scheduler.answer(nil)
            try await wait(host, "the brief one has ended") { try await running(host).keys.sorted() == ["lasting-1"] }
            agent.kill()
            let next = try await host.startAgent(options)
            try await Task.sleep(for: .seconds(2))
            #expect(try await running(host) == ["lasting-1": first["lasting-1"]!])
            let shown = try await host.dish("host", "show")
            #expect(
                shown.output.contains(", away, epoch 5,") && shown.output.contains("jobs that wait for it: brief"), "\(shown)")

            // One of a lower epoch isn't obeyed.
            try scheduler.answer(answer("b", epoch: 4, revision: 9, [brief]))
            try await wait(host, "it is refused") { try await host.client.host().scheduler?.refusals ?? 0 > 0 }
            #expect(try await running(host).keys.sorted() == ["lasting-1"])

            // Its successor wants only the brief one.
            try scheduler.answer(answer("c", epoch: 6, revision: 1, [brief]))
            try await wait(host, "the differences are reconciled") {
                let jobs = try await host.client.jobs().map(\.name)
                return try await running(host).keys.sorted() == ["brief-1"] && jobs == ["brief"]
            }
            let whats = try await host.events(host.client.host().name).map(\.what)
            #expect(whats.contains("scheduler away") && whats.contains("scheduler refused"), "\(whats)")
            #expect(whats.last { $0.hasPrefix("scheduler") } == "scheduler back", "\(whats)")
            // Without it, the host is its own again.
            next.kill()
            _ = try await host.startAgent()
            #expect(try await host.dish("job", "rm", "brief").code == 0)
        }
    }

    @Test func aDrainedHostTakesNothingNewAlsoAfterARestart() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            let job = "jobs: [{name: web, image: //os:base, command: [sleep, \"86391\"], stop: {drain: 1s, timeout: 1s}}]"
            #expect(try await host.dish("job", "apply", "-", input: job).code == 0)
            #expect(try await host.dish("run", "-d", "--name", "own", "//os:base", "--", "/bin/sleep", "86392").code == 0)
            #expect(try await host.dish("host", "drain", "--reason", "a new disk").code == 0)
            #expect(try await running(host).keys.sorted() == ["own"])
            agent.kill()
            _ = try await host.startAgent()
            try await Task.sleep(for: .seconds(1))
            #expect(try await running(host).keys.sorted() == ["own"])
            let refused = try await host.dish("run", "-d", "//os:base", "--", "/bin/true")
            #expect(
                refused.code == 1 && refused.errors.contains("is being drained and takes no new tasks (a new disk)"), "\(refused)"
            )
            let status = try await host.dish("job", "status", "web")
            #expect(status.output.contains("waiting") && status.output.contains("a new disk"), "\(status)")
            #expect(try await host.dish("host", "show").output.contains("drained"))
            #expect(try await host.dish("host", "undrain").code == 0)
            let settled = try await host.dish("job", "status", "web", "--wait")
            #expect(settled.code == 0, "\(settled)\n\(host.agentLog)")
            #expect(try await running(host).keys.sorted() == ["own", "web-1"])
        }
    }
}
