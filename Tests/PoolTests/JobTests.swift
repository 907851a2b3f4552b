import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Linux
import Spec
import Testing

/// Jobs on the real thing: replicas that serve, updates under load, versions that are broken, agents that are killed.
@Suite(.requiresRoot)
struct JobTests {
    /// How many replicas are updated under load: `$DISH_JOB_REPLICAS`, or 3.
    private static let replicas = getenv("DISH_JOB_REPLICAS").flatMap { Int(String(cString: $0)) } ?? 3

    /// A job whose replicas answer `/` with a text and their names.
    private func web(
        _ text: String, replicas: Int, port: UInt16, batch: Int = 1, deadline: String = "60s", path: String = "/"
    ) -> String {
        """
        jobs:
          - name: web
            image: //web:app
            replicas: \(replicas)
            command: [sh, -c, "echo \(text) $(hostname) > /var/www/html/index.html; exec nginx -g 'daemon off;'"]
            publish: ["\(port):80"]
            health:
              - {purpose: readiness, http: {port: 80, path: \(path)}, interval: 1s, failures: 1}
            stop: {drain: 1s, timeout: 5s}
            update: {batch: \(batch), deadline: \(deadline)}

        """
    }

    private func apply(_ host: TestHost, _ yaml: String, _ arguments: String...) async throws -> Outcome {
        try await host.dish(arguments: ["job", "apply", "-"] + arguments, input: yaml)
    }

    /// The tasks of a job, by name.
    private func tasks(_ host: TestHost, of job: String) async throws -> [TaskStatus] {
        try await host.client.tasks().filter { $0.owner?.job == job }.sorted { $0.name < $1.name }
    }

    /// Clients that ask again and again while a body runs. Returns what went wrong, and how many requests there were.
    private func underLoad(_ port: UInt16, _ body: () async throws -> Void) async throws -> (failures: [String], requests: Int) {
        let clients = (0..<2).map { _ in LoadClient("http://127.0.0.1:\(port)/") }
        defer { for client in clients { client.task.cancel() } }
        try await body()
        var all = (failures: [String](), requests: 0)
        for client in clients {
            client.task.cancel()
            let one = await client.task.value
            all = (all.failures + one.failures, all.requests + one.requests)
        }
        return all
    }

    @Test func replicasServeInTurnAndAnUpdateUnderLoadFailsNoRequest() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            #expect(try await host.dish("run", "--rm", "//web:app", "--", "/bin/true").code == 0)
            let before = try Inventory(pool: pool, of: host)
            let port = try FreePort.tcp()
            let count = Self.replicas
            let made = try await apply(host, web("one", replicas: 2, port: port))
            try #require(made.code == 0 && made.output == "web: created, version 1\n", "\(made)\n\(host.agentLog)")
            let first = try await tasks(host, of: "web")
            #expect(first.map(\.name) == ["web-1", "web-2"])
            let again = try await apply(host, web("one", replicas: 2, port: port))
            #expect(again.code == 0 && again.output == "web: unchanged, version 1\n", "\(again)")

            // From the host on both kinds of its addresses, and from another task by port and by names.
            let gateway = host.subnet.replacing(".0/24", with: ".1")
            var seen: Set<String> = []
            for _ in 0..<2 {
                for address in ["127.0.0.1", gateway] { seen.insert(try await fetch("http://\(address):\(port)/").text) }
            }
            #expect(seen == ["one web-1\n", "one web-2\n"])
            let script = "for at in \(gateway):\(port) web web-2; do curl -sf http://$at/ || echo none of $at; done"
            let inside = try await host.dish("run", "--rm", "//web:app", "--", "/bin/sh", "-c", script)
            #expect(inside.output.split(separator: "\n").count == 3 && !inside.output.contains("none"), "\(inside)")
            #expect(inside.output.hasSuffix("one web-2\n"), "\(inside)")
            let taken = try await host.dish("run", "--publish", "\(port):80", "//web:app", "--", "/bin/true")
            #expect(taken.code == 1 && taken.errors.contains("is in use by the job 'web'"), "\(taken)")

            // More replicas of the same are no reason to replace those there are.
            let difference = try await host.dish("job", "diff", "-", input: web("one", replicas: count, port: port))
            if count != 2 {
                #expect(
                    difference.output
                        == "web: would be changed to version 2, which keeps its replicas\n  replicas: 2 -> \(count)\n")
            }
            #expect(try await apply(host, web("one", replicas: count, port: port)).code == 0)
            let scaled = try await tasks(host, of: "web")
            #expect(scaled.count == count && first.allSatisfy { one in scaled.contains { $0.id == one.id } })

            let load = try await underLoad(port) {
                let updated = try await apply(host, web("two", replicas: count, port: port, batch: max(1, count / 3)))
                #expect(
                    updated.code == 0 && updated.output.hasPrefix("web: changed to version 3, which replaces its replicas\n"),
                    "\(updated)")
                #expect(
                    updated.errors.contains("batch 1 of \((count + max(1, count / 3) - 1) / max(1, count / 3))"), "\(updated)")
            }
            #expect(load.failures == [] && load.requests > 20, "\(load)")
            #expect(try await fetch("http://127.0.0.1:\(port)/").text.hasPrefix("two "))
            let after = try await tasks(host, of: "web").filter { $0.owner?.version == 3 }
            #expect(after.count == count)
            let history = try await host.client.history(job: "web")
            #expect(history.map(\.number) == [3, 2, 1] && history.allSatisfy { $0.outcome == .healthy })

            #expect(try await host.dish("job", "stop", "web").code == 0)
            #expect(try await host.client.job("web").state == .stopped)
            #expect(try await !fetch("http://127.0.0.1:\(port)/").status.isSuccess)
            let restarted = try await apply(host, web("two", replicas: count, port: port, batch: max(1, count / 3)))
            #expect(restarted.code == 0 && restarted.output == "web: started again, version 3\n", "\(restarted)")
            #expect(try await host.dish("job", "rm", "web").code == 0)
            #expect(try await host.dish("job", "ls", "--json").text == "[\n\n]")
            #expect(try Files.list("\(host.stateDirectory)/jobs") == [])
            let rules = try await Command("/usr/sbin/nft", ["list", "chain", "ip", host.bridge, "jobs"]).run().text
            #expect(!rules.contains("dnat"), "\(rules)")
            var left = try Inventory(pool: pool, of: host).beyond(before)
            // The kernel takes a link away with its namespace, a moment later.
            for _ in 0..<50 where !left.isEmpty {
                try await Task.sleep(for: .milliseconds(100))
                left = try Inventory(pool: pool, of: host).beyond(before)
            }
            #expect(left == [])
        }
    }

    @Test func aBrokenVersionIsRolledBackByItselfWhileTheOldOneServes() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let port = try FreePort.tcp()
            try #require(try await apply(host, web("good", replicas: 2, port: port)).code == 0)
            let good = try await tasks(host, of: "web").map(\.id)
            let load = try await underLoad(port) {
                let broken = try await apply(
                    host, web("broken", replicas: 2, port: port, deadline: "4s", path: "/none"))
                #expect(broken.code == 1, "\(broken)")
                #expect(
                    broken.errors.contains(
                        "version 2 of the job 'web' failed and was rolled back to version 1: 0 of 1 new replicas were ready after 4 s; replica 3: readiness check (GET :80/none)"
                    ),
                    "\(broken)")
            }
            #expect(load.failures == [], "\(load)")
            let settled = try await host.dish("job", "status", "web", "--wait")
            #expect(
                settled.code == 0 && settled.output.hasPrefix("web: running, version 3, 2 of 2 replicas ready\n"), "\(settled)")
            for _ in 0..<100 where try await tasks(host, of: "web").count > 2 { try await Task.sleep(for: .milliseconds(100)) }
            #expect(try await tasks(host, of: "web").map(\.id).sorted() == good.sorted())
            let history = try await host.client.history(job: "web")
            #expect(history.map(\.outcome) == [.healthy, .failed, .healthy] && history[0].isAutomatic)
            let whats = try await host.events("web").map(\.what)
            #expect(whats.filter { $0 == "rolled back" }.count == 1 && whats.last == "healthy", "\(whats)")

            try #require(try await apply(host, web("better", replicas: 2, port: port)).code == 0)
            let back = try await host.dish("job", "rollback", "web", "1")
            #expect(
                back.code == 0 && back.output.hasPrefix("web: changed to version 5, which replaces its replicas\n"), "\(back)")
            #expect(try await fetch("http://127.0.0.1:\(port)/").text.hasPrefix("good "))
            let missing = try await host.dish("job", "rollback", "web", "9")
            #expect(missing.code == 1 && missing.errors.contains("the job 'web' has no version 9"), "\(missing)")
        }
    }

    @Test func whatAReplicaSaysMovesNoCursorOfWhoeverWaitsForIt() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let job = """
                jobs:
                  - name: web
                    image: //os:base
                    command: [/bin/sleep, "1000"]
                    network: none
                    health: [{command: [/bin/sh, -c, 'printf "\\033[2Jgone"; exit 1'], interval: 1s, failures: 1}]
                    update: {deadline: 4s}

                """
            let told = try await apply(host, job)
            #expect(told.code == 1 && told.errors.contains("gone") && !told.errors.contains("\u{1B}"), "\(told)")
        }
    }

    @Test func anAgentKilledInTheMiddleOfUpdatesLosesNothingAndStartsNothingTwice() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { agent in
            #expect(try await host.dish("run", "--rm", "//web:app", "--", "/bin/true").code == 0)
            let before = try Inventory(pool: pool, of: host)
            let port = try FreePort.tcp()
            try #require(try await apply(host, web("v0", replicas: 2, port: port)).code == 0)
            var current = agent
            var random = SystemRandomNumberGenerator()
            let load = try await underLoad(port) {
                for round in 1...3 {
                    #expect(try await apply(host, web("v\(round)", replicas: 2, port: port), "--detach").code == 0)
                    for _ in 0..<2 {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0...1200, using: &random)))
                        current.kill()
                        current = try await host.startAgent()
                    }
                }
                let settled = try await host.dish("job", "status", "web", "--wait")
                #expect(settled.code == 0, "\(settled)\n\(host.agentLog)")
            }
            #expect(load.failures == [], "\(load)")
            for _ in 0..<100 where try await tasks(host, of: "web").count > 2 { try await Task.sleep(for: .milliseconds(100)) }
            let tasks = try await tasks(host, of: "web")
            #expect(tasks.count == 2 && tasks.allSatisfy { $0.state == .running && $0.owner?.version == 4 }, "\(tasks)")
            #expect(try await fetch("http://127.0.0.1:\(port)/").text.hasPrefix("v3 "))
            let helpers = Inventory.processes(mentioning: "\(host.runtimeDirectory)/tasks").filter {
                $0.command.contains("dish-helper")
            }
            #expect(helpers.count == 2, "\(helpers)")
            #expect(try await host.dish("job", "rm", "web").code == 0)
            var left = try Inventory(pool: pool, of: host).beyond(before)
            for _ in 0..<50 where !left.isEmpty {
                try await Task.sleep(for: .milliseconds(100))
                left = try Inventory(pool: pool, of: host).beyond(before)
            }
            #expect(left == [])
        }
    }

    @Test func jobsStartInTheOrderOfTheirDependenciesAndMistakesNameTheirPlace() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let jobs = """
                jobs:
                  - {name: front, image: //os:base, command: [sleep, infinity], depends_on: [back]}
                  - name: back
                    image: //os:base
                    command: [sh, -c, "sleep 2; touch /ready; exec sleep 60"]
                    health: [{command: [test, -e, /ready], interval: 1s}]

                """
            let made = try await apply(host, jobs)
            try #require(made.code == 0, "\(made)\n\(host.agentLog)")
            #expect(made.output == "back: created, version 1\nfront: created, version 1\n")
            let events = try await host.events()
            let ready = try #require(events.first { $0.name == "back" && $0.what == "healthy" })
            let started = try #require(events.first { $0.name == "front-1" && $0.what == "created" })
            #expect(ready.sequence < started.sequence)
            let needed = try await host.dish("job", "rm", "back")
            #expect(needed.code == 1 && needed.errors.contains("the job 'front' depends on 'back'"), "\(needed)")
            for (yaml, message) in [
                ("jobs: [{name: a, image: //no:such}]", "-:1:15: job 'a': task.image: "),
                (
                    "jobs: [{name: a, image: //os:base, depends_on: [b]}]",
                    "-:1:15: job 'a': dependsOn[0].job: there is no job 'b'; apply it first"
                ),
                (
                    "jobs: [{name: a, image: //os:base, replicas: x}]",
                    "-:1:46: 'replicas' must be a whole number from 0 to 1000, not 'x'"
                ),
                (
                    "jobs: [{name: a, image: //os:base, volumes: ['none:/srv']}]",
                    "-:1:15: job 'a': task.volumes[0]: there is no volume 'none' in the pool"
                ),
            ] {
                let refused = try await apply(host, yaml)
                #expect(refused.code == 1 && refused.errors.contains("dish: \(message)"), "\(refused)")
            }
            #expect(try await host.dish("job", "rm", "front", "back").code == 0)
        }
    }
}

/// A client that fetches a page again and again until it is cancelled.
private struct LoadClient {
    /// What went wrong, and how many requests there were.
    let task: Task<(failures: [String], requests: Int), Never>

    init(_ url: String) {
        task = Task {
            var (failures, requests) = ([String](), 0)
            while !Task.isCancelled {
                requests += 1
                // A request that is under way when it is over is no failure.
                let page = await Task { try? await fetch(url) }.value
                if page?.status.isSuccess != true || page?.text.isEmpty != false {
                    failures.append("\(requests): \(page?.errorText ?? "curl didn't start")")
                }
            }
            return (failures, requests)
        }
    }
}

private func fetch(_ url: String) async throws -> Command.Result {
    try await Command("/usr/bin/curl", ["--silent", "--show-error", "--fail", "--max-time", "5", url]).run()
}
