import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// Acknowledged changes last: with a state that can't be written, with verbs that meet, with a helper that hangs.
@Suite(.requiresRoot)
struct AcknowledgedTests {
    /// A host whose state has a small file system of its own.
    private func withSmallState(_ body: (TestHost) async throws -> Void) async throws {
        let host = try await SharedPool.shared.host()
        try Mounts.mount("none", on: host.stateDirectory, type: "tmpfs", data: "size=4m")
        defer { try? Mounts.unmount(host.stateDirectory, flags: CInt(MNT_DETACH)) }
        try await host.withAgent { _ in try await body(host) }
    }

    /// Takes all the room there is.
    private func fill(_ host: TestHost) throws -> String {
        let path = "\(host.stateDirectory)/filling"
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT, mode: 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while Glibc.write(file.number, block, block.count) > 0 {}
        return path
    }

    @Test func whatCantBeWrittenIsRefusedAndChangesNothing() async throws {
        try await withSmallState { host in
            for name in ["web", "other"] {
                let outcome = try await host.dish("run", "-d", "--name", name, "//os:base", "--", "/bin/sleep", "86000")
                #expect(outcome.code == 0, "\(outcome)")
            }
            let before = try await host.events().last?.sequence ?? 0
            let filling = try fill(host)
            let refused = [
                ["stop", "web"], ["restart", "web"], ["rollback", "web", "--image"],
                ["update", "web", "--memory", "100M", "--best-effort"],
                ["stop", "--background", "web"], ["host", "drain"],
            ]
            for command in refused {
                let outcome = try await host.dish(arguments: command)
                #expect(outcome.code != 0 && outcome.errors.contains("No space left"), "\(command): \(outcome)")
            }
            let secret = try await host.dish("secret", "create", "key", "-", input: "x")
            #expect(secret.code != 0 && secret.errors.contains("No space left"), "\(secret)")
            #expect(try await host.task("web").state == .running)
            // A removal makes room, so it is never refused for lack of it.
            let removed = try await host.dish("rm", "--force", "other")
            #expect(removed.code == 0, "\(removed)")
            unlink(filling)
            let stopped = try await host.dish("stop", "-t", "1", "web")
            #expect(stopped.code == 0, "\(stopped)")
            let events = try await host.events(after: before)
            #expect(events.map(\.sequence) == Array(before + 1..<before + 1 + UInt64(events.count)))
            #expect(events.contains { $0.name == "other" && $0.what == "removed" })
            for process in Inventory.processes(mentioning: "--bridge \(host.bridge)") { kill(process.pid, SIGKILL) }
            _ = try await host.startAgent()
            #expect(try await host.task("web").state.hasEnded)
            let later = try await host.events(after: before)
            #expect(later.map(\.sequence) == Array(before + 1..<before + 1 + UInt64(later.count)))
        }
    }

    @Test func whatIsReadOnlyIsRefusedToo() async throws {
        try await withSmallState { host in
            let outcome = try await host.dish("run", "-d", "--name", "web", "//os:base", "--", "/bin/sleep", "86000")
            #expect(outcome.code == 0, "\(outcome)")
            let state = host.stateDirectory
            _ = try await Command(Spawn("/bin/mount", ["--bind", state, state])).run()
            defer { try? Mounts.unmount(state, flags: CInt(MNT_DETACH)) }
            _ = try await Command(Spawn("/bin/mount", ["-o", "remount,bind,ro", state])).run()
            for command in [["stop", "web"], ["rm", "--force", "web"], ["restart", "web"]] {
                let outcome = try await host.dish(arguments: command)
                #expect(outcome.code != 0 && outcome.errors.contains("Read-only"), "\(command): \(outcome)")
            }
            #expect(try await host.task("web").state == .running)
        }
    }

    @Test func theLastWordWins() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for round in 0..<12 {
                _ = try await host.dish(
                    "run", "-d", "--name", "web", "//os:base", "--", "/bin/sh", "-c",
                    "trap 'exit 0' TERM; while :; do sleep 0.05; done")
                let verbs = [
                    ["restart", "-t", "5", "web"], round % 2 == 0 ? ["stop", "-t", "5", "web"] : ["rm", "--force", "web"],
                ]
                let start = ContinuousClock.now
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for verb in verbs {
                        group.addTask {
                            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60)))
                            let outcome = try await host.dish(arguments: verb)
                            #expect(!outcome.errors.contains("did not end"), "\(verb): \(outcome)")
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(ContinuousClock.now - start < .seconds(25))
                if round % 2 == 1 {
                    // Nobody takes a removal back.
                    #expect(try await host.dish("inspect", "web").code != 0)
                } else {
                    let state = try await host.task("web").state
                    #expect(state == .running || state.hasEnded, "\(state)")
                }
                let end = try await host.dish("rm", "--force", "web")
                #expect(end.code == 0, "\(end)")
            }
        }
    }

    @Test func aHelperThatHangsIsEnded() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for verb in [["stop", "-t", "1", "web"], ["rm", "--force", "web"]] {
                let started = try await host.dish("run", "-d", "--name", "web", "//os:base", "--", "/bin/sleep", "86000")
                #expect(started.code == 0, "\(started)")
                let helper = try #require(try await host.task("web").processes?.helper)
                kill(pid_t(helper), SIGSTOP)
                let outcome = try await host.dish(arguments: verb)
                #expect(outcome.code == 0, "\(verb): \(outcome)")
                #expect(try await host.events("web").contains { $0.what == "killed" })
                _ = try await host.dish("rm", "--force", "web")
                #expect(Inventory.processes(mentioning: "sleep 86000").isEmpty)
            }
        }
    }

    /// Runs a command, and replaces the agent once that has begun with it.
    private func replaceAgent(
        _ host: TestHost, _ agent: TestAgent, under command: [String], once hasBegun: @escaping (TaskStatus?) -> Bool
    ) async throws -> TestAgent {
        async let outcome = host.dish(arguments: command)
        for _ in 0..<600 {
            if hasBegun(try? await host.task("web")) { break }
            try await Task.sleep(for: .milliseconds(5))
        }
        agent.kill()
        let next = try await host.startAgent()
        let end = try await outcome
        #expect(end.code == 0, "\(command): \(end)\n\(host.agentLog)")
        return next
    }

    @Test func requestsOutliveTheAgent() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { first in
            let program = "trap '' TERM; while :; do sleep 0.1; done"
            let run = ["run", "-d", "--name", "web", "//os:base", "--", "/bin/sh", "-c", program]
            // A run that is repeated makes one task.
            var agent = try await replaceAgent(host, first, under: run) { $0 != nil }
            #expect(try await host.client.tasks().map(\.name) == ["web"])
            for verb in [
                ["stop", "-t", "2", "web"], ["start", "web"], ["restart", "-t", "2", "web"], ["rm", "--force", "web"],
            ] {
                agent = try await replaceAgent(host, agent, under: verb) { task in
                    switch verb[0] {
                    case "rm": task == nil || task?.state == .stopping
                    case "start": task?.state.hasEnded == false
                    default: task?.state == .stopping
                    }
                }
            }
            #expect(try await host.client.tasks().isEmpty)
        }
    }
}
