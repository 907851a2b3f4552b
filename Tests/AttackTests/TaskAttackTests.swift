import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

extension Attacks {
    /// The program as root inside tasks of each kind, and inside what enters them.
    @Suite struct TaskAttackTests {
        private static let limits = ["--disk", "200M"]

        @Test(arguments: [[], ["--security", "confined"], ["--security", "system"], ["--no-user-namespace"]])
        func aCommandReachesNothing(_ options: [String]) async throws {
            try await AttackScene.use { scene in
                let run = try await scene.host.dish(
                    arguments: ["run", "--rm"] + Self.limits + options + [AttackImage.name, "--"] + scene.command()
                )
                scene.expectHeld(
                    run.output, "a command \(options.joined(separator: " "))", of: run,
                    withHostIDs: options == ["--no-user-namespace"])
            }
        }

        @Test func aCommandOnATerminalReachesNoOtherTerminal() async throws {
            try await AttackScene.use { scene in
                let (text, keys) = try await TestTerminal.run(
                    scene.host, ["run", "--rm", "-it"] + Self.limits + [AttackImage.name, "--"] + scene.command())
                scene.expectHeld(text, "a command with a terminal")
                #expect(keys == 0, "\(keys) keys were pushed into the caller's terminal")
            }
        }

        @Test func aBootedTaskAndWhatEntersItReachNothing() async throws {
            try await AttackScene.use { scene in
                let host = scene.host
                let started = try await host.dish(arguments: ["run", "--name", "target"] + Self.limits + [AttackImage.name])
                try #require(started.code == 0, "\(started)\n\(host.agentLog)")
                let before = try await AttackScene.task("target", host)

                let exec = try await host.dish(arguments: ["exec", "target", "--"] + scene.command())
                scene.expectHeld(exec.output, "exec", of: exec)
                for option in ["--no-tty", "--tty"] {
                    let (text, keys) = try await TestTerminal.run(host, ["exec", option, "target", "--"] + scene.command())
                    scene.expectHeld(text, "exec \(option) on a terminal")
                    #expect(keys == 0, "exec \(option): \(keys) keys were pushed into the caller's terminal")
                }
                let login = try await host.dish("ssh", "target", "--", try scene.script())
                scene.expectHeld(login.output, "ssh", of: login)
                let unit = try await host.dish(
                    "exec", "target", "--", "systemd-run", "--quiet", "--wait", "--collect", "/bin/sh", "-c",
                    "\(try scene.script()) > /srv/report 2>&1")
                let report = try await host.dish("exec", "target", "--", "cat", "/srv/report")
                scene.expectHeld(report.output, "a unit of a booted task", of: unit)

                let after = try await AttackScene.task("target", host)
                #expect(after.processes == before.processes && after.state == .running, "\(after)")
            }
        }

        @Test(arguments: [[], ["--security", "confined"], ["--no-user-namespace"]])
        func healthChecksAndOthersThatEnterACommandReachNothing(_ options: [String]) async throws {
            try await AttackScene.use { scene in
                let host = scene.host
                let check = "test -e /tmp/done || { \(try scene.script()) > /tmp/report 2>&1; touch /tmp/done; }"
                let started = try await host.dish(
                    arguments: [
                        "run", "-d", "--name", "target", "--health-cmd", check, "--health-for", "readiness", "--health-timeout",
                        "60",
                    ]
                        + Self.limits + options + [AttackImage.name, "--", "/bin/sleep", "86399"])
                try #require(started.code == 0, "\(started)")
                let before = try await AttackScene.task("target", host)
                let place = options.joined(separator: " ")
                let exec = try await host.dish(arguments: ["exec", "--no-tty", "target", "--"] + scene.command())
                let withHostIDs = options == ["--no-user-namespace"]
                scene.expectHeld(exec.output, "exec into a command \(place)", of: exec, withHostIDs: withHostIDs)
                for _ in 0..<600 {
                    if try await host.dish("exec", "target", "--", "test", "-e", "/tmp/done").code == 0 { break }
                    try await Task.sleep(for: .milliseconds(100))
                }
                let report = try await host.dish("exec", "target", "--", "cat", "/tmp/report")
                scene.expectHeld(report.output, "a health check \(place)", of: report, withHostIDs: withHostIDs)
                let after = try await AttackScene.task("target", host)
                #expect(after.processes == before.processes && after.state == .running, "\(after)")
            }
        }
    }
}
