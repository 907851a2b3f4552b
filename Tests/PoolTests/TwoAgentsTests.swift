import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// Several agents on one host.
@Suite(.requiresRoot)
struct TwoAgentsTests {
    /// Runs a body with a network namespace of its own, in which bridges pass frames on as on a host without `br_netfilter`.
    private func withNamespace<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let path = "\(try Scratch.make("namespace"))/net"
        try Files.replace(path, with: [])
        let script = "ip link set lo up; f=/proc/sys/net/bridge/bridge-nf-call-ip6tables; test ! -e $f || echo 0 > $f"
        let made = try await Command("/usr/bin/unshare", ["--net=\(path)", "/bin/sh", "-c", script]).run()
        #expect(made.status.isSuccess, "\(made.errorText)")
        defer { try? Mounts.unmount(path, flags: CInt(MNT_DETACH)) }
        return try await body(path)
    }

    private func fetch(_ url: String, in namespace: String?) async throws -> String {
        var spawn = Spawn(
            "/usr/bin/curl",
            [
                "--silent", "--show-error", "--fail", "--globoff", "--noproxy", "*", "--max-time", "5", "--retry", "20",
                "--retry-connrefused", "--retry-delay", "0", url,
            ])
        spawn.networkNamespace = namespace
        let page = try await Command(spawn).run()
        return page.status.isSuccess ? page.text : page.errorText
    }

    @Test func portsOfBothAnswerEverywhere() async throws {
        try await withNamespace { namespace in
            try await BusyboxPool.with { first in
                try await BusyboxPool.with { second in
                    let hosts = try [first, second].map { try TestHost(pool: $0.path, networkNamespace: namespace) }
                    try await hosts[0].withAgent { _ in
                        let port = try FreePort.tcp()
                        func run(_ host: TestHost, _ publish: String, _ name: String) async throws -> Outcome {
                            try await host.dish(
                                arguments: ["run", "-d", "--name", name, "--publish", publish, "//:box", "--"]
                                    + BusyboxPool.server)
                        }
                        let one = try await run(hosts[0], "[::1]:\(port):80", "one")
                        #expect(one.code == 0, "\(one)\n\(hosts[0].agentLog)")
                        try await hosts[1].withAgent { _ in
                            let two = try await run(hosts[1], "[::1]:\(port + 1):80", "two")
                            #expect(two.code == 0, "\(two)\n\(hosts[1].agentLog)")
                            for number in [port, port + 1] {
                                #expect(try await fetch("http://[::1]:\(number)/", in: namespace) == "box\n")
                            }
                            // What one has published isn't free for the other.
                            for (publish, by) in [("\(port):80", 0), ("[::1]:\(port):80", 0), ("[::1]:\(port + 1):80", 1)] {
                                let taken = try await run(hosts[1 - by], publish, "taken")
                                #expect(taken.code == 1 && taken.errors.contains("in use by"), "\(publish): \(taken)")
                            }
                            #expect(try await hosts[1].dish("rm", "--force", "two").code == 0)
                        }
                        // The second has ended without tasks, and has taken nothing of the first's away.
                        #expect(try await fetch("http://[::1]:\(port)/", in: namespace) == "box\n")
                        let another = try await run(hosts[0], "127.0.0.1:\(port + 1):80", "another")
                        #expect(another.code == 0, "\(another)")
                        let page = try await fetch("http://127.0.0.1:\(port + 1)/", in: namespace)
                        #expect(page == "box\n", "\(page)\(hosts[0].agentLog)")
                    }
                }
            }
        }
    }

    @Test func whatIsOneAgentsIsRefusedToAnother() async throws {
        try await BusyboxPool.with { pool in
            let host = try TestHost(pool: pool.path)
            let other = try TestHost(pool: pool.path)
            try await host.withAgent { agent in
                let own = ["--state-dir", host.stateDirectory]
                for (arguments, words) in [
                    (
                        ["--state-dir", other.stateDirectory, "--run-dir", other.runtimeDirectory, "--bridge", other.bridge],
                        ["the pool '\(pool.path)' belongs to another agent", "process \(agent.pid)", host.stateDirectory]
                    ),
                    (
                        ["--state-dir", other.stateDirectory, "--run-dir", host.runtimeDirectory],
                        ["already uses '\(host.runtimeDirectory)'"]
                    ),
                    (own + ["--run-dir", other.runtimeDirectory], ["already uses '\(host.stateDirectory)'"]),
                ] {
                    let refused = try await self.dishd(arguments, pool.path)
                    #expect(refused.code != 0 && words.allSatisfy { refused.errors.contains($0) }, "\(refused)")
                }
                try await BusyboxPool.with { second in
                    let arguments = ["--state-dir", other.stateDirectory, "--run-dir", other.runtimeDirectory]
                    let refused = try await self.dishd(arguments + ["--bridge", host.bridge], second.path)
                    #expect(
                        refused.code != 0 && refused.errors.contains("the bridge '\(host.bridge)' belongs to another agent")
                            && refused.errors.contains(host.stateDirectory), "\(refused)")
                }
                // Its tasks run on when it is gone.
                #expect(try await host.dish("run", "-d", "--name", "on", "//:box", "--", "/bin/sleep", "infinity").code == 0)
                agent.kill()
                let refused = try await self.dishd(
                    ["--state-dir", other.stateDirectory, "--run-dir", other.runtimeDirectory, "--bridge", other.bridge],
                    pool.path)
                #expect(refused.code != 0 && refused.errors.contains("whose tasks run on"), "\(refused)")
                _ = try await host.startAgent()
                #expect(try await host.dish("rm", "--force", "on").code == 0)
            }
            // Nobody has it any more.
            try await other.withAgent { _ in
                let ran = try await other.dish("run", "--rm", "//:box", "--", "/bin/echo", "mine")
                #expect(ran.output == "mine\n", "\(ran)")
            }
        }
    }

    /// Runs an agent that isn't to start.
    private func dishd(_ arguments: [String], _ pool: String) async throws -> Outcome {
        var spawn = Spawn("/usr/bin/timeout", ["20", Programs.path("dishd")] + arguments)
        spawn.environment["DISH_POOL"] = pool
        let ended = try await Command(spawn).run()
        return Outcome(code: ended.status.shellCode, output: ended.text, errors: ended.errorText)
    }

    /// As inside of 'ip netns exec', which mounts a /sys of its own.
    @Test func anAgentWithoutControlGroupsSaysWhyNothingStarts() async throws {
        try await BusyboxPool.with { pool in
            let host = try TestHost(pool: pool.path)
            let variables = [
                "DISH_STATE_DIR=\(host.stateDirectory)", "DISH_RUN_DIR=\(host.runtimeDirectory)", "DISH_POOL=\(pool.path)",
            ]
            let script = "umount -l /sys && mount -t sysfs sysfs /sys && exec \"$@\""
            let agent = try BackgroundProgram(
                variables + [
                    "unshare", "--mount", "/bin/sh", "-c", script, "sh", Programs.path("dishd"), "--bridge", host.bridge,
                ]
                    + ["--subnet", host.subnet])
            for _ in 0..<400 where try await host.dish("ps").code != 0 { try await Task.sleep(for: .milliseconds(50)) }
            let refused = try await host.dish("run", "-d", "--name", "no", "//:box", "--", "/bin/echo", "hi")
            #expect(refused.code == 1 && refused.errors.contains("no control groups are mounted at /sys/fs/cgroup"), "\(refused)")
            #expect(try await host.client.tasks().isEmpty)
            withExtendedLifetime(agent) {}
        }
    }

    @Test func aRuntimesOwnComplaintIsTheReason() async throws {
        try await BusyboxPool.with(more: "{path: /dev, text: no directory}") { pool in
            let host = try TestHost(pool: pool.path)
            try await host.withAgent { _ in
                let ended = try await host.dish("run", "--name", "bad", "//:box", "--", "/bin/echo", "hi")
                #expect(ended.code != 0 && ended.errors.contains("dish: "), "\(ended)")
                let task = try await host.wait(for: "bad") { $0.state.hasEnded }
                #expect(task.reason?.contains("/dev") == true, "\(task)")
                let events = try await host.events("bad")
                #expect(events.contains { $0.what == "exited" && $0.reason.contains("/dev") }, "\(events)")
            }
        }
    }
}
