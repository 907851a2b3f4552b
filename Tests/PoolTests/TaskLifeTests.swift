import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// A task after its first run: started again by people, by its policy, by its health.
@Suite(.requiresRoot)
struct TaskLifeTests {
    private func lines(_ path: String) -> Int { ((try? Files.readText(path)) ?? "").split(separator: "\n").count }

    @Test func aTaskThatEndedStartsAgainOnTheRootThatItLeft() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { agent in
            _ = try await host.dish("run", "--rm", "//os:base", "--", "/bin/true")
            let before = try Inventory(pool: pool, of: host)
            let port = try FreePort.tcp()
            let script = "echo run >> /runs; exec sleep 60"
            let started = try await host.dish(
                "run", "--name", "again", "--publish", "\(port):80", "-d", "//os:base", "--", "/bin/sh", "-c", script)
            try #require(started.code == 0, "\(started)")
            let first = try await host.task("again")
            for arguments in [
                ["start", "again"], ["stop", "-t", "0", "again"], ["stop", "again"], ["start", "again"],
                ["restart", "-t", "0", "again"],
            ] {
                let done = try await host.dish(arguments: arguments)
                #expect(done.code == 0 && done.text == "again", "\(arguments): \(done)")
            }
            let last = try await host.task("again")
            #expect(last.state == .running && last.id == first.id && last.address == first.address && last.exit == nil)
            #expect(last.processes?.helper != first.processes?.helper && last.restarts == 0)
            _ = try await host.wait(for: "again") { lines("\($0.paths.root)/runs") == 3 }
            // The next agent knows which of the three runs there is.
            agent.kill()
            _ = try await host.startAgent()
            #expect(try await host.task("again").processes == last.processes)
            let whats = try await host.events("again").map(\.what)
            #expect(
                whats == [
                    "created", "running", "stopping", "exited", "starting", "running", "stopping", "exited", "starting",
                    "running",
                ])
            let reasons = try await host.events("again").filter { $0.what == "stopping" }.map(\.reason)
            #expect(reasons == ["asked for by user 0", "asked for by user 0"])
            #expect(try await host.dish("rm", "--force", "again").code == 0)
            #expect(try await host.dish("start", "again").code == 1)
            let left = try Inventory(pool: pool, of: host).beyond(before).filter { !$0.hasPrefix("link") }
            #expect(left == [])
        }
    }

    @Test func aTaskThatFailsIsRestartedByItsPolicyUntilItIsGivenUp() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            let options = ["--restart", "on-failure:2", "--restart-backoff", "0.1"]
            let started = try await host.dish(
                arguments: ["run", "--name", "fails", "-d"] + options + [
                    "//os:base", "--", "/bin/sh", "-c", "echo run >> /runs; exit 3",
                ])
            try #require(started.code == 0, "\(started)")
            let failed = try await host.wait(for: "fails") { $0.state == .failed }
            #expect(failed.reason?.hasPrefix("it exited with 3: it was started again 2 times") == true, "\(failed)")
            #expect(failed.restarts == 2 && lines("\(failed.paths.root)/runs") == 3)
            #expect(try await host.events("fails").filter { $0.what == "restarting" }.count == 2)
            // It isn't tried anew by another agent.
            agent.kill()
            _ = try await host.startAgent()
            #expect(try await host.task("fails").state == .failed && lines("\(failed.paths.root)/runs") == 3)
            let wrong = try await host.dish("run", "--rm", "--restart", "always", "//os:base", "--", "/bin/true")
            #expect(wrong.code == 1 && wrong.errors.contains("can't be started again"), "\(wrong)")
        }
    }

    @Test func aPauseBetweenRunsOutlivesTheAgentAndAStopEndsIt() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            let options = ["--restart", "always", "--restart-backoff", "2", "--restart-backoff-max", "2"]
            _ = try await host.dish(
                arguments: ["run", "--name", "pauses", "-d"] + options + [
                    "//os:base", "--", "/bin/sh", "-c", "echo run >> /runs",
                ])
            let waiting = try await host.wait(for: "pauses") { $0.state == .restarting }
            #expect(waiting.exit?.code == 0)
            agent.kill()
            let second = try await host.startAgent()
            _ = try await host.wait(for: "pauses") { lines("\($0.paths.root)/runs") >= 2 }
            _ = try await host.wait(for: "pauses") { $0.state == .restarting }
            #expect(try await host.dish("stop", "pauses").code == 0)
            let runs = lines("\(waiting.paths.root)/runs")
            #expect(try await host.task("pauses").state == .exited)
            second.kill()
            _ = try await host.startAgent()
            try await Task.sleep(for: .seconds(3))
            let stopped = try await host.task("pauses")
            #expect(stopped.state == .exited && lines("\(waiting.paths.root)/runs") == runs, "\(stopped)")
        }
    }

    @Test func readinessFollowsTheServicesInside() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let checks = [
                "--health-http", "80/", "--health-tcp", "80", "--health-unit", "nginx.service", "--health-cmd",
                "test -e /etc/passwd",
                "--health-interval", "0.2", "--health-failures", "1", "--health-for", "readiness",
            ]
            let started = try await host.dish(arguments: ["run", "//web:app", "--name", "served"] + checks)
            try #require(started.code == 0, "\(started)")
            _ = try await host.wait(for: "served") { $0.health?.ready == true }
            #expect(try await host.dish("ps").output.contains("running (ready)"))
            let sequence = try await host.events().last?.sequence ?? 0
            #expect(try await host.dish("exec", "served", "--", "systemctl", "stop", "nginx").code == 0)
            let broken = try await host.wait(for: "served") { $0.health?.ready == false }
            #expect(broken.state == .running && broken.health?.live == true && broken.health?.reason?.isEmpty == false)
            #expect(try await host.dish("exec", "served", "--", "systemctl", "start", "nginx").code == 0)
            _ = try await host.wait(for: "served") { $0.health?.ready == true }
            let whats = try await host.events("served", after: sequence).map(\.what)
            #expect(whats.first == "not ready" && whats.last == "ready", "\(whats)")
        }
    }

    /// The kernel takes links away some time after the last process of their namespace.
    @Test func aLinkThatIsLeftOfTheRunBeforeIsInNobodysWay() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "-d", "//os:base", "--name", "linked", "--", "/bin/sleep", "1000")
            _ = try await host.wait(for: "linked") { $0.state == .running }
            #expect(try await host.dish("stop", "-t", "0", "linked").code == 0)
            let link = "ve\(try await host.task("linked").id)"
            while Files.exists("/sys/class/net/\(link)") { try await Task.sleep(for: .milliseconds(10)) }
            let made = try await Command("/usr/sbin/ip", ["link", "add", link, "type", "veth", "peer", "name", "\(link)p"]).run()
            #expect(made.status == .code(0), "\(made.errorText)")
            let started = try await host.dish("start", "linked")
            #expect(started.code == 0, "\(started)")
            if started.code != 0 { _ = try await Command("/usr/sbin/ip", ["link", "delete", link]).run() }
        }
    }

    /// Init loses what it is told before it listens.
    @Test func aTaskThatIsStoppedWhileItBootsPowersOff() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for delay in [0, 20, 50, 100, 150, 250, 400] {
                let name = "boots-\(delay)"
                async let run = host.dish("run", "//os:base", "--name", name)
                while (try? await host.task(name).state) ?? .pending != .starting { try await Task.sleep(for: .milliseconds(5)) }
                try await Task.sleep(for: .milliseconds(delay))
                #expect(try await host.dish("stop", "--timeout", "60", name).code == 0)
                let stopped = try await host.task(name)
                #expect(stopped.state == .exited && stopped.exit?.code == 0, "after \(delay) ms: \(stopped)")
                _ = try await run
            }
        }
    }

    @Test func aTaskThatIsNotAliveIsReplacedByItsPolicy() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let options = [
                "--restart", "on-failure", "--restart-backoff", "0.1", "--health-cmd", "test ! -e /bad", "--health-for",
                "liveness",
                "--health-interval", "0.1", "--health-failures", "2",
            ]
            _ = try await host.dish(
                arguments: ["run", "--name", "sick", "-d"] + options + [
                    "//os:base", "--", "/bin/sh", "-c", "trap 'exit 0' TERM; sleep 60 & wait",
                ])
            let before = try await host.wait(for: "sick") { $0.health?.ready == true }
            try Files.replace("\(before.paths.root)/bad", with: "".utf8, durable: false)
            _ = try await host.wait(for: "sick") { $0.restarts ?? 0 > 0 }
            unlink("\(before.paths.root)/bad")
            let after = try await host.wait(for: "sick") { $0.state == .running && $0.health?.ready == true }
            #expect(after.processes?.helper != before.processes?.helper)
            let events = try await host.events("sick")
            #expect(
                events.contains { $0.what == "unhealthy" && $0.reason.contains("liveness check (/bin/sh -c test ! -e /bad)") },
                "\(events)")
            #expect(events.contains { $0.what == "restarting" })

            // One that nobody replaces is told of once.
            let check = [
                "--health-cmd", "false", "--health-for", "liveness", "--health-interval", "0.1", "--health-failures", "1",
            ]
            _ = try await host.dish(
                arguments: ["run", "--name", "ill", "-d"] + check + ["//os:base", "--", "/bin/sleep", "1000"])
            _ = try await host.wait(for: "ill") { $0.health?.live == false }
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await host.events("ill").count { $0.what == "unhealthy" } == 1)
        }
    }

    @Test func eventsAreFollowedAsTheyHappenAndSurviveTheAgent() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            let client = host.client
            let followed = Task {
                var whats: [String] = []
                for try await event in client.following("seen") {
                    whats.append(event.what)
                    if event.what == "removed" { break }
                }
                return whats
            }
            _ = try await host.dish("run", "--name", "seen", "-d", "//os:base", "--", "/bin/sh", "-c", "exit 7")
            _ = try await host.wait(for: "seen") { $0.state == .exited }
            #expect(try await host.dish("rm", "seen").code == 0)
            let whats = try await followed.value
            #expect(whats.first == "created" && Array(whats.suffix(2)) == ["exited", "removed"], "\(whats)")
            let all = try await host.events()
            agent.kill()
            _ = try await host.startAgent()
            let later = try await host.events()
            #expect(later.prefix(all.count) == all[...] && later.count > all.count)
            #expect(later.map(\.sequence) == (1...UInt64(later.count)).map { $0 })
            #expect(try await host.dish("events", "--since", "1h").output.contains("seen exited: it exited with 7"))
        }
    }
}

extension AgentClient {
    /// Events about an object as they happen.
    fileprivate func following(_ object: String) -> AsyncThrowingStream<AgentEvent, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: AgentEvent.self)
        Task {
            do {
                try await events(object: object, follows: true) { event, _ in
                    if case .terminated = continuation.yield(event) { return false }
                    return event.what != "removed"
                }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        return stream
    }
}
