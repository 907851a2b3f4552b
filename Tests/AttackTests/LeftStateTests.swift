import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

extension Attacks {
    /// A root that was prepared for the host's tools: each of them ends, none follows a link out, and all of it can be removed.
    @Suite struct LeftStateTests {
        /// Runs `dish`, which must end within a minute whatever it says.
        private func ended(_ host: TestHost, _ arguments: String..., input: String = "") async throws -> Outcome {
            let outcome = try await host.dish(
                arguments: arguments, input: input, under: ["/usr/bin/timeout", "--signal=KILL", "60"])
            #expect(outcome.code != 137, "dish \(arguments.joined(separator: " ")) doesn't end: \(outcome)")
            return outcome
        }

        /// Has a task started whose init may never be ready on such a root. Whoever waits for it does so alone.
        private func begun(_ host: TestHost, _ arguments: String...) async throws {
            _ = try await host.dish(arguments: arguments, under: ["/usr/bin/timeout", "--signal=KILL", "5"])
            let answer = try await host.dish(arguments: ["ps"], under: ["/usr/bin/timeout", "--signal=KILL", "5"])
            #expect(answer.code == 0, "the agent doesn't answer after dish \(arguments.joined(separator: " ")): \(answer)")
        }

        @Test(arguments: [false, true])
        func everyToolEndsOnAHostileRootAndItCanBeRemoved(_ boots: Bool) async throws {
            try await AttackScene.use { scene in
                let host = scene.host
                let place = "\(try Scratch.make("copies"))/copy"
                let started = try await host.dish(
                    arguments: ["run", "-d", "--name", "hostile", "--disk", "500M", "--restart", "no", AttackImage.name]
                        + (boots ? [] : ["--", "/bin/sleep", "86399"]))
                try #require(started.code == 0, "\(started)")
                let left = try await ended(host, "exec", "hostile", "--", AttackImage.program, "leave", scene.canaryFact())
                #expect(left.output.contains("control groups"), "\(left)")

                _ = try await ended(host, "exec", "hostile", "--", "/bin/true")
                _ = try await ended(host, "exec", "hostile", "--user", "daemon", "--", "/bin/true")
                _ = try await ended(host, "shell", "hostile", input: "exit\n")
                _ = try await ended(host, "ssh", "hostile", "--", "true")
                _ = try await ended(host, "inspect", "hostile")
                _ = try await ended(host, "logs", "hostile", "--tail", "5")
                let journal = try await ended(host, "logs", "hostile", "--journal", "--tail", "5")
                #expect(!journal.output.contains("canary-"), "\(journal)")
                _ = try await ended(host, "snapshot", "hostile", "one")
                _ = try await ended(host, "diff", "hostile")
                _ = try await ended(host, "history", "hostile", "--path", "/srv/out")
                // A link is copied as what it leads to inside, where there is no such file.
                _ = try await ended(host, "cp", "hostile:/srv/out", place)
                #expect((try? Files.readText(place))?.hasPrefix("canary-") != true, "cp followed a link to the host")
                try Files.replace(place, with: "from outside".utf8, durable: false)
                _ = try await ended(host, "cp", place, "hostile:/srv/up/var/tmp/from-outside")
                #expect(!Files.exists("/var/tmp/from-outside"), "cp wrote to the host")
                _ = try await ended(host, "cp", place, "hostile:/srv/out")
                _ = try await ended(host, "restore", "hostile", "/etc", "--from", "image")
                _ = try await ended(host, "stats")
                _ = try await ended(host, "stop", "hostile", "--timeout", "2")
                try await begun(host, "start", "hostile")
                try await begun(host, "rollback", "hostile", "one", "--timeout", "2")
                _ = try await ended(host, "image", "gc", "--dry-run")

                let root = try await AttackScene.task("hostile", host).paths.root
                let removed = try await ended(host, "rm", "--force", "hostile")
                #expect(removed.code == 0, "\(removed)\n\(host.agentLog.suffix(3000))")
                #expect(!Files.exists(Files.parent(of: root)), "the task's directory is still there")
                let repaired = try await ended(host, "pool", "repair", "--check")
                #expect(repaired.code == 0, "\(repaired)")
            }
        }
    }
}
