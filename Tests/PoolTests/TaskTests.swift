import AgentAPI
import Btrfs
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// What `dish inspect` says.
private struct Inspected: Decodable {
    let id: String
    let state: TaskStatus.State
    let layer: String
    let processes: TaskStatus.Processes?
    let address: String?
    let paths: TaskStatus.Paths
    let exit: TaskStatus.Exit?
}

@Suite(.requiresRoot)
struct TaskTests {
    private func inspect(_ host: TestHost, _ name: String) async throws -> Inspected {
        try JSONDecoder().decode(Inspected.self, from: Data(await host.dish("inspect", name).output.utf8))
    }

    /// Fetches a page, as a client on the host does.
    private func fetch(_ url: String) async throws -> Command.Result {
        try await Command("/usr/bin/curl", ["--silent", "--show-error", "--fail", "--max-time", "5", url]).run()
    }

    @Test func bootedTaskServesOnItsPublishedPortAndLeavesNothingBehind() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            // The first task brings the bridge, which stays as long as the agent has tasks.
            #expect(try await host.dish("run", "--rm", "//web:app", "--", "/bin/true").code == 0)
            let before = try Inventory(pool: pool, of: host)
            let port = try FreePort.tcp()
            let started = try await host.dish("run", "//web:app", "--name", "web", "--publish", "\(port):80")
            try #require(started.code == 0, "\(started)")
            let task = try await inspect(host, "web")
            #expect(task.state == .running)

            for address in ["127.0.0.1:\(port)", try #require(task.address)] {
                let page = try await fetch("http://\(address)/")
                #expect(page.text.contains("Served from a read-write snapshot"), "\(address): \(page.errorText)")
            }
            let units = try await host.dish("exec", "web", "--", "systemctl", "is-active", "nginx.service", "status.timer")
            #expect(units.text == "active\nactive", "\(units)")
            #expect(try await host.dish("exec", "web", "--", "systemctl", "--failed", "--quiet").text == "")
            #expect(try await host.dish("logs", "web").output.contains("nginx.service"))

            let during = try Inventory(pool: pool, of: host)
            #expect(during.beyond(before).count >= 6)
            #expect(try await host.dish("stop", "web").code == 0)
            #expect(try await inspect(host, "web").exit?.code == 0)
            #expect(try await host.dish("rm", "--purge", "web").code == 0)
            var left = try Inventory(pool: pool, of: host).beyond(before)
            // The kernel takes a link away with its namespace, a moment later.
            for _ in 0..<50 where !left.isEmpty {
                try await Task.sleep(for: .milliseconds(100))
                left = try Inventory(pool: pool, of: host).beyond(before)
            }
            #expect(left == [])
        }
        #expect(!Files.exists("/sys/class/net/\(host.bridge)"))
    }

    @Test func theRootIsASnapshotOfTheImageAndWritingInItChangesNoLayer() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "//web:app", "--name", "writer")
            let task = try await inspect(host, "writer")
            let layer = try Subvolume.info("\(pool)/layers/\(task.layer)/rootfs")
            #expect(layer.isReadOnly)
            #expect(try Subvolume.info(task.paths.root).parentUUID == layer.uuid)
            let script = "echo changed > /var/www/html/index.html && rm -r /usr/share/doc && chmod 0 /etc/passwd"
            #expect(try await host.dish("exec", "writer", "--", "sh", "-c", script).code == 0)
            #expect(try TreeDigest(of: "\(pool)/layers/\(task.layer)/rootfs").id.hex == task.layer)
            #expect(try Subvolume.info("\(pool)/layers/\(task.layer)/rootfs") == layer)
        }
    }

    @Test func aVolumeOutlivesTheBootedTaskThatWroteToIt() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            #expect(try await host.dish("volume", "create", "kept", "--size", "100M").code == 0)
            for text in ["first", "second"] {
                let started = try await host.dish("run", "//web:app", "--name", text, "--volume", "kept:/srv/kept")
                try #require(started.code == 0, "\(started)")
                let script =
                    "cat /srv/kept/log; echo \(text) >> /srv/kept/log; chown www-data /srv/kept/log; stat -c %U /srv/kept/log"
                let written = try await host.dish("exec", text, "--", "sh", "-c", script)
                #expect(written.output == (text == "first" ? "www-data\n" : "first\nwww-data\n"), "\(written)")
                let full = try await host.dish(
                    "exec", text, "--", "dd", "if=/dev/urandom", "of=/srv/kept/big", "bs=1M", "count=200")
                #expect(full.code == 1 && full.errors.contains("quota exceeded"), "\(full)")
                #expect(try await host.dish("exec", text, "--", "rm", "/srv/kept/big").code == 0)
                #expect(try await host.dish("rm", "--force", text).code == 0)
            }
            #expect(try await host.dish("volume", "rm", "kept").code == 0)
        }
    }

    @Test func treeShowsTheStack() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "--name", "leaf", "-d", "//web:app", "--", "/bin/sleep", "60")
            let lines = try await host.dish("image", "tree", "//web:app").output.split(separator: "\n")
            let names = lines.compactMap { $0.split(separator: " ").first { $0.first != "└" } }
            #expect(names == ["//os:base", "//org:base", "//web:app", "task"], "\(lines)")
            #expect(lines.last?.hasSuffix("└─ task leaf") == true)
        }
    }

    @Test func tasksOutliveAKilledAgentAndTheNextOneFindsThem() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            let port = try FreePort.tcp()
            try #require(try await host.dish("run", "//web:app", "--name", "web", "--publish", "\(port):80").code == 0)
            let before = try await inspect(host, "web")
            var current = agent
            for _ in 0..<3 {
                current.kill()
                #expect(try await fetch("http://127.0.0.1:\(port)/").status.isSuccess)
                #expect(try await host.dish("ps").code == 1)
                current = try await host.startAgent()
                let after = try await inspect(host, "web")
                #expect(after.processes == before.processes)
                #expect(after.state == .running)
                #expect(try await fetch("http://127.0.0.1:\(port)/").status.isSuccess)
            }
            let stopped = try await host.dish("stop", "web")
            #expect(stopped.code == 0, "\(stopped)")
            #expect(try await inspect(host, "web").exit?.code == 0)
            let log = try await host.dish("logs", "web").output
            #expect(
                log.contains("Stopped nginx.service") || log.contains("Stopped \u{1b}"),
                "systemd inside did not shut down:\n\(log)")
        }
    }

    @Test func aTaskThatEndsWhileNoAgentRunsIsFoundEnded() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            _ = try await host.dish("run", "--name", "brief", "-d", "//os:base", "--", "/bin/sh", "-c", "sleep 1; exit 7")
            agent.kill()
            try await Task.sleep(for: .seconds(2))
            _ = try await host.startAgent()
            #expect(try await inspect(host, "brief").exit?.code == 7)
        }
    }

    @Test func aTaskWhoseHelperIsKilledFailsAndIsCleanedUp() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "--rm", "//os:base", "--", "/bin/true")
            let before = try Inventory(pool: pool, of: host)
            _ = try await host.dish("run", "//web:app", "--name", "orphan")
            let task = try await inspect(host, "orphan")
            let helper = try #require(task.processes?.helper)
            let leader = try #require(task.processes?.leader)
            kill(pid_t(helper), SIGKILL)
            for _ in 0..<100 where try await inspect(host, "orphan").state != .failed {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await inspect(host, "orphan").state == .failed)
            // It is seen to have failed as soon as that is known; what is left of it is ended next.
            for _ in 0..<100 where kill(pid_t(leader), 0) == 0 { try await Task.sleep(for: .milliseconds(50)) }
            #expect(kill(pid_t(leader), 0) != 0)
            #expect(try await host.dish("rm", "orphan").code == 0)
            let left = try Inventory(pool: pool, of: host).beyond(before).filter { !$0.hasPrefix("link") }
            #expect(left == [])
        }
    }

    @Test func runPassesOutputInputAndExitCodeOfACommand() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let outcome = try await host.dish(
                "run", "--rm", "-i", "//os:base", "--", "/bin/sh", "-c", "cat; echo problem >&2; exit 42", input: "from outside\n"
            )
            #expect(outcome.output == "from outside\n")
            #expect(outcome.errors == "problem\n")
            #expect(outcome.code == 42)
            let missing = try await host.dish("run", "--rm", "//os:base", "--", "/no/such")
            #expect(missing.code != 0)
            #expect(try await host.dish("ps", "--json").text == "[\n\n]")
        }
    }

    @Test func execPassesOutputInputAndExitCodeOfACommand() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "//web:app", "--name", "inside")
            let echo = try await host.dish("exec", "inside", "--", "cat", input: "through\n")
            #expect(echo.output == "through\n")
            #expect(try await host.dish("exec", "inside", "--", "sh", "-c", "exit 9").code == 9)
            #expect(try await host.dish("exec", "inside", "--user", "www-data", "--", "id", "-un").text == "www-data")
            #expect(try await host.dish("exec", "inside", "--", "hostname").text == "inside")
            #expect(try await host.dish("exec", "inside", "--", "no-such-command").code == 127)
            // Root inside is nobody special outside.
            let map = try await host.dish("exec", "inside", "--", "cat", "/proc/self/uid_map").text.split(
                whereSeparator: \.isWhitespace)
            #expect(map.count == 3 && map[1] != "0" && map[2] == "65536", "\(map)")
        }
    }

    @Test func logsFollowATaskToItsEnd() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let script = "for i in 1 2 3; do echo line $i; sleep 0.3; done"
            _ = try await host.dish("run", "--name", "talker", "-d", "//os:base", "--", "/bin/sh", "-c", script)
            #expect(try await host.dish("logs", "-f", "talker").output == "line 1\nline 2\nline 3\n")
            #expect(try await host.dish("logs", "--tail", "1", "talker").output == "line 3\n")
        }
    }

    @Test func twoTasksReachEachOtherOverThePrivateNetworkAndNoneSeesTheHostsLoopback() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "//web:app", "--name", "server")
            let address = try #require(try await inspect(host, "server").address)
            let other = try await host.dish("run", "--rm", "//org:base", "--", "/usr/bin/curl", "-sf", "http://\(address)/")
            #expect(other.output.contains("Butterdish"), "\(other)")
            let names = try await host.dish("run", "--rm", "--network", "none", "//org:base", "--", "/bin/ls", "/sys/class/net")
            #expect(names.text == "lo")
        }
    }
}
