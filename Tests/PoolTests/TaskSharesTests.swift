import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// What one task or its client takes is its own.
@Suite(.requiresRoot)
struct TaskSharesTests {
    @Test func inputIsPassedWholeAtTheReadersSpeedAndStopWorksMeanwhile() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let folder = try Scratch.make("input")
            let made = try await Command(
                "/bin/sh", ["-c", "head -c 200000000 /dev/urandom > \(folder)/input && cksum < \(folder)/input"]
            ).run()
            // It reads nothing for longer than a second, then stops now and then.
            let reader = "sleep 1.2; (head -c 1000000; sleep 0.2; head -c 3000000; sleep 0.2; cat) | cksum"
            let passed = try await host.dish(
                arguments: ["run", "--rm", "-i", "//os:base", "--", "/bin/sh", "-c", reader],
                under: ["/bin/sh", "-c", "exec \"$0\" \"$@\" < \(folder)/input"])
            #expect(passed.output == made.text, "\(passed)")

            // Nobody ever reads.
            let feeder = Task {
                try await host.dish(
                    arguments: ["run", "-i", "--name", "full", "//os:base", "--", "/bin/sleep", "1000"],
                    under: ["/bin/sh", "-c", "exec \"$0\" \"$@\" < /dev/zero"])
            }
            defer { feeder.cancel() }
            for _ in 0..<200 where (try? await host.task("full")) == nil { try await Task.sleep(for: .milliseconds(50)) }
            _ = try await host.wait(for: "full") { $0.state == .running }
            try await Task.sleep(for: .milliseconds(500))
            let start = ContinuousClock.now
            let stopped = try await host.dish("stop", "--timeout", "0", "full")
            #expect(stopped.code == 0, "\(stopped)")
            #expect(.now - start < .seconds(3))
            #expect(try await feeder.value.code != 0)
        }
    }

    @Test func checksThatHangHoldNoOtherTasksUp() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            // Each leaves a child with the check's output, or hangs.
            for number in 0..<8 {
                let check = number % 2 == 0 ? "sleep 1000 & exit 0" : "sleep 1000"
                let started = try await host.dish(
                    "run", "-d", "--name", "bad\(number)", "--health-cmd", check, "--health-interval", "1", "--health-timeout",
                    "20",
                    "//os:base", "--", "/bin/sleep", "1000")
                #expect(started.code == 0, "\(started)")
            }
            try await Task.sleep(for: .seconds(1))
            let good = try await host.dish(
                "run", "-d", "--name", "good", "--health-cmd", "true", "--health-interval", "1", "//os:base", "--", "/bin/sleep",
                "1000")
            #expect(good.code == 0, "\(good)")
            let start = ContinuousClock.now
            _ = try await host.wait(for: "good") { $0.health?.ready == true }
            #expect(.now - start < .seconds(5))
            // What is left with the pipe isn't waited for either.
            _ = try await host.wait(for: "bad0") { $0.health?.ready == true }
            #expect(.now - start < .seconds(10))
        }
    }

    @Test func theAnonymousPageReadsThePastForAShortTime() async throws {
        let host = try await SharedPool.shared.host()
        let port = try FreePort.tcp()
        try await host.withAgent(["--web", "\(port)"]) { _ in
            let made = try await host.dish(
                "run", "-d", "--name", "sparse", "//os:base", "--", "/bin/sh", "-c", "truncate -s 1E /big; exec sleep 1000")
            #expect(made.code == 0, "\(made)")
            let id = try await host.task("sparse").id
            try await Task.sleep(for: .milliseconds(300))
            let start = ContinuousClock.now
            let url = "http://127.0.0.1:\(port)/v1/timeline?of=task&name=\(id)&counts=true"
            let asked = try await Command(
                "/usr/bin/curl", ["--silent", "--noproxy", "*", "--max-time", "20", url]
            ).run()
            #expect(.now - start < .seconds(6))
            #expect(asked.text.contains("\"now\""), "\(asked.text)")
            #expect(try await host.dish("ps").code == 0)
        }
    }

    @Test func thePageLeavesOutWhatIsTooLargeToCompare() async throws {
        let host = try await SharedPool.shared.host()
        let port = try FreePort.tcp()
        try await host.withAgent(["--web", "\(port)"]) { _ in
            // Together the paths are longer than what the agent holds in memory for one answer.
            let script = """
                cd /srv; name=$(printf %0250d 0); for level in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mkdir $name; cd $name; done
                count=0; while [ $count -lt 10000 ]; do : > $count; count=$((count+1)); done; : > /made; exec sleep 1000
                """
            let made = try await host.dish("run", "-d", "--name", "deep", "//os:base", "--", "/bin/sh", "-c", script)
            #expect(made.code == 0, "\(made)")
            let id = try await host.task("deep").id
            for _ in 0..<100 {
                if try await host.dish("exec", "deep", "--", "test", "-e", "/made").code == 0 { break }
                try await Task.sleep(for: .milliseconds(100))
            }
            func ask(_ rest: String) async throws -> String {
                try await Command(
                    "/usr/bin/curl",
                    [
                        "--silent", "--noproxy", "*", "--max-time", "20",
                        "http://127.0.0.1:\(port)/v1/timeline\(rest)&of=task&name=\(id)",
                    ]
                ).run().text
            }
            let moments = try await ask("?counts=true")
            #expect(moments.contains("\"now\"") && !moments.contains("\"added\":10"), "\(moments)")
            let changes = try await ask("/changes?from=image&to=now")
            #expect(changes.contains("MB of names") && changes.contains("dish diff"), "\(changes.prefix(2000))")
        }
    }
}
