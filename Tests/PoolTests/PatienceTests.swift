import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// Clients that go away while they wait, and a pool that takes its time.
@Suite(.requiresRoot)
struct PatienceTests {
    /// A connection on which a request has been sent.
    private func ask(_ request: String, _ path: String) throws -> CInt {
        let number = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SystemError("connect to", path) }
        let text = "\(request) HTTP/1.1\r\nHost: dishd\r\n\r\n"
        _ = send(number, text, text.utf8.count, CInt(MSG_NOSIGNAL))
        return number
    }

    private func get(_ path: String, _ socket: String) async throws -> String {
        try await Command("/usr/bin/curl", ["--silent", "--unix-socket", socket, "http://dishd\(path)"]).run().text
    }

    /// The number of a metric without labels.
    private func metric(_ name: String, _ socket: String) async throws -> Int {
        let text = try await get("/metrics", socket)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }, "\(text)")
        return try #require(Int(line.dropFirst(name.count + 1)), "\(line)")
    }

    @Test func aClientThatGoesAwayLeavesNothingBehind() async throws {
        try await BusyboxPool.with { pool in
            let host = try TestHost(pool: pool.path)
            try await host.withAgent { agent in
                let run = try await host.dish("run", "--detach", "--name", "t", "//:box", "--", "/bin/sleep", "3600")
                try #require(run.code == 0, "\(run)")
                let socket = AgentDefaults.socket(in: host.runtimeDirectory)
                let text = try await get("/v1/packages", socket)
                let revision = try #require(text.firstMatch(of: /"revision":([0-9]+)/)).1
                // What waits, or has no end.
                let waits = [
                    "GET /v1/tasks/t/wait?seconds=86400", "GET /v1/tasks/t/wait-removed?seconds=86400",
                    "GET /v1/packages?after=\(revision)&seconds=3600", "GET /v1/tasks/t/wait?state=preparing&seconds=86400",
                    "GET /v1/events?follow=true",
                ]
                let folder = "/proc/\(agent.pid)"
                let before = (try Files.list("\(folder)/fd").count, try Files.list("\(folder)/task").count)
                for round in 0..<10 {
                    var connections: [CInt] = []
                    defer { for number in connections { close(number) } }
                    for number in 0..<100 { connections.append(try ask(waits[number % waits.count], socket)) }
                    try await eventually("requests wait") { try await metric("dish_api_requests_under_way", socket) > 100 }
                    if round % 2 == 0 {
                        for number in connections { close(number) }
                        connections = []
                    } else {
                        // A program that was written without care closes its own side only.
                        for number in connections { shutdown(number, CInt(SHUT_WR)) }
                    }
                    try await eventually("nothing waits any more") {
                        try await metric("dish_api_requests_under_way", socket) == 1
                    }
                }
                try await eventually("descriptors and threads are as before") {
                    let now = (try Files.list("\(folder)/fd").count, try Files.list("\(folder)/task").count)
                    return now.0 <= before.0 + 2 && now.1 <= before.1 + 4
                }
                #expect(try await host.dish("ps").code == 0)
            }
        }
    }

    /// Each call that asks the file system for something takes five seconds in the agent, by way of strace.
    @Test func aPoolThatIsSlowKeepsNobodyWaitingWhoDoesNotAskForIt() async throws {
        try await BusyboxPool.with { pool in
            let host = try TestHost(pool: pool.path)
            try await host.withAgent { agent in
                let run = try await host.dish("run", "--detach", "--name", "t", "//:box", "--", "/bin/sleep", "3600")
                try #require(run.code == 0, "\(run)")
                let calls = "ioctl,statfs,fstatfs,statx,newfstatat,openat2,mkdirat,unlinkat,renameat2,fsync,syncfs,getdents64"
                let strace = try Spawn(
                    "/usr/bin/env",
                    ["strace", "-f", "-q", "-p", "\(agent.pid)", "-o", "/dev/null", "-e", "trace=\(calls)"]
                        + ["-e", "inject=\(calls):delay_enter=5000000"]
                ).start()
                var isTraced = true
                func detach() {
                    guard isTraced else { return }
                    isTraced = false
                    kill(strace, SIGTERM)
                    waitpid(strace, nil, 0)
                }
                defer { detach() }
                try await eventually("strace has the agent") {
                    try Files.readText("/proc/\(agent.pid)/status").contains("TracerPid:\t\(strace)\n")
                }
                let commands = [
                    ["run", "--detach", "--name", "a", "//:box", "--", "/bin/sleep", "3600"],
                    ["run", "--rm", "--name", "b", "//:box", "--", "/bin/echo", "b"], ["snapshot", "t"],
                    ["update", "t", "--memory", "64M"], ["host", "show"], ["restart", "t"],
                ]
                let asked = commands.map { command in
                    Task {
                        let outcome = try await host.dish(arguments: command)
                        return (outcome, ContinuousClock.now)
                    }
                }
                try await Task.sleep(for: .milliseconds(500))
                var times: [Duration] = []
                for _ in 0..<40 {
                    let start = ContinuousClock.now
                    let list = try await host.dish("ps")
                    times.append(.now - start)
                    #expect(list.code == 0, "\(list)")
                    try await Task.sleep(for: .milliseconds(50))
                }
                let longest = try #require(times.max())
                print("with a pool whose calls take 5 s, the longest of \(times.count) times of 'dish ps': \(longest)")
                // Well below one call's time, on a machine however busy.
                #expect(longest < .seconds(3))
                let end = ContinuousClock.now
                detach()
                for (command, request) in zip(commands, asked) {
                    let (outcome, ended) = try await request.value
                    #expect(ended > end, "it should have waited for the pool: \(command): \(outcome)")
                }
            }
        }
    }

    private func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<600 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("after 30 s it still isn't so: \(what)")
    }
}
