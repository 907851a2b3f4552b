import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// Who reaches a task goes on reaching it, whatever is done with it: no request is lost but while it is down.
@Suite(.requiresRoot)
struct ReachabilityTests {
    /// How often a task is restarted, stopped and started, rolled back, and a job updated: `$DISH_RESTARTS`, or 1. The long run has 50.
    private static let rounds = getenv("DISH_RESTARTS").flatMap { Int(String(cString: $0)) } ?? 1

    /// One request of Tests/Fixtures/connection_probe.py; times in milliseconds of the monotonic clock.
    private struct Request {
        let target: String
        let start: Int
        let end: Int
        let outcome: String

        init?(_ line: Substring, from place: String) {
            let fields = line.split(separator: " ")
            guard fields.count == 5, let start = Int(fields[2]), let end = Int(fields[3]) else { return nil }
            (target, self.start, self.end) = ("\(fields[0]):\(fields[1]) from \(place)", start, end)
            outcome = String(fields[4])
        }
    }

    /// Loops of requests from the host and from another task, to all addresses that lead to one service.
    private final class Loops {
        private var programs: [BackgroundProgram] = []
        private var files: [(path: String, place: String)] = []
        private var targets: Set<String> = []

        func add(_ place: String, in namespace: String?, _ addresses: [(String, UInt16)]) throws {
            let file = "\(try Scratch.make("loop"))/requests"
            try programs.append(
                BackgroundProgram(
                    BackgroundProgram.probe + ["http", file] + addresses.flatMap { [$0.0, "\($0.1)"] }, in: namespace))
            files.append((file, place))
            targets.formUnion(addresses.map { "\($0.0):\($0.1) from \(place)" })
        }

        func requests() throws -> [Request] {
            try files.flatMap { file in
                (try Files.readTextIfPresent(file.path) ?? "").split(separator: "\n").compactMap {
                    Request($0, from: file.place)
                }
            }
        }

        /// Waits until each loop has succeeded with a request that began at a time or later.
        ///
        /// - Returns: how long the last of them took to.
        func succeed(after time: Int) async throws -> Int {
            for _ in 0..<1200 {
                var first: [String: Int] = [:]
                for request in try requests() where request.outcome == "ok" && request.start >= time {
                    first[request.target] = min(first[request.target] ?? .max, request.end)
                }
                if Set(first.keys) == targets { return (first.values.max() ?? time) - time }
                try await Task.sleep(for: .milliseconds(20))
            }
            throw FixtureError("not all reach it: \(try requests().suffix(40))")
        }
    }

    private func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// Waits until something answers inside.
    private func waitForServer(_ namespace: String) async throws {
        var spawn = Spawn("/usr/bin/curl", ["--silent", "--noproxy", "*", "--max-time", "2", "http://127.0.0.1/"])
        spawn.networkNamespace = namespace
        for _ in 0..<300 where try await !Command(spawn).run().status.isSuccess { try await Task.sleep(for: .milliseconds(20)) }
    }

    @Test func restartsAndRollbacksLoseNoRequestButTheirOwn() async throws {
        try await BusyboxPool.with { pool in
            let host = try TestHost(pool: pool.path)
            try await host.withAgent { _ in
                let port = try FreePort.tcp()
                let run = ["run", "-d", "--name", "web", "--publish", "\(port):80", "//:box", "--"] + BusyboxPool.server
                let started = try await host.dish(arguments: run)
                try #require(started.code == 0, "\(started)\n\(host.agentLog)")
                #expect(try await host.dish("run", "-d", "--name", "peer", "//:box", "--", "/bin/sleep", "infinity").code == 0)
                #expect(try await host.dish("snapshot", "web", "good").code == 0)
                let (web, peer) = (try await host.task("web"), try await host.task("peer"))
                let (address, address6) = (try #require(web.address), try #require(web.address6))
                let gateway = host.subnet.replacing(".0/24", with: ".1")
                let gateway6 = "\(address6.split(separator: "::")[0])::1"
                let own = "\(host.runtimeDirectory)/netns/dish-\(web.id)"
                let loops = Loops()
                let everywhere: [(String, UInt16)] = [
                    (address, 80), (address6, 80), (gateway, UInt16(port)), (gateway6, UInt16(port)),
                ]
                try loops.add("the host", in: nil, everywhere + [("127.0.0.1", port)])
                try loops.add("a task", in: "\(host.runtimeDirectory)/netns/dish-\(peer.id)", everywhere)
                try await waitForServer(own)
                // What is up, between what takes it down.
                var up = [(from: now(), to: Int.max)]
                var longest = try await loops.succeed(after: up[0].from)
                for _ in 0..<Self.rounds {
                    let ways = [[["restart", "web"]], [["stop", "web"], ["start", "web"]], [["rollback", "web", "good"]]]
                    for way in ways {
                        up[up.count - 1].to = now()
                        for command in way {
                            let done = try await host.dish(arguments: command)
                            #expect(done.code == 0, "\(command): \(done)")
                        }
                        try await waitForServer(own)
                        up.append((now(), Int.max))
                        longest = max(longest, try await loops.succeed(after: up[up.count - 1].from))
                    }
                }
                let lost = try loops.requests().filter { request in
                    request.outcome != "ok" && up.contains { request.start >= $0.from && request.end < $0.to }
                }
                #expect(lost.isEmpty, "\(lost)")
                print("\(up.count - 1) restarts: all reach it again within \(longest) ms of its first answer")
            }
        }
    }

    @Test func updatesOfAJobLoseNoRequest() async throws {
        try await BusyboxPool.with { pool in
            let host = try TestHost(pool: pool.path)
            try await host.withAgent { _ in
                let port = try FreePort.tcp()
                func job(_ version: Int) -> String {
                    """
                    jobs: [{name: svc, image: //:box, replicas: 2, command: [\(BusyboxPool.server.map { "'\($0)'" }.joined(separator: ", "))],
                            publish: ["\(port):80"], environment: {VERSION: "\(version)"}, stop: {drain: 1s, timeout: 2s},
                            health: [{purpose: readiness, tcp: 80, interval: 1s}]}]
                    """
                }
                let made = try await host.dish("job", "apply", "-", input: job(0))
                try #require(made.code == 0, "\(made)\n\(host.agentLog)")
                #expect(try await host.dish("run", "-d", "--name", "peer", "//:box", "--", "/bin/sleep", "infinity").code == 0)
                let peer = try await host.task("peer")
                let gateway = host.subnet.replacing(".0/24", with: ".1")
                let gateway6 = "\(try #require(peer.address6).split(separator: "::")[0])::1"
                let loops = Loops()
                try loops.add("the host", in: nil, [(gateway, port), (gateway6, port), ("127.0.0.1", port)])
                try loops.add(
                    "a task", in: "\(host.runtimeDirectory)/netns/dish-\(peer.id)", [(gateway, port), (gateway6, port)])
                _ = try await loops.succeed(after: now())
                for version in 1...max(1, Self.rounds / 4) {
                    let updated = try await host.dish("job", "apply", "-", input: job(version))
                    #expect(updated.code == 0 && updated.output.contains("which replaces its replicas"), "\(updated)")
                }
                let back = try await host.dish("job", "rollback", "svc")
                #expect(back.code == 0, "\(back)")
                _ = try await loops.succeed(after: now())
                let requests = try loops.requests()
                let lost = requests.filter { $0.outcome != "ok" }
                #expect(lost.isEmpty, "\(lost.count) of \(requests.count): \(lost.prefix(10))")
            }
        }
    }
}
