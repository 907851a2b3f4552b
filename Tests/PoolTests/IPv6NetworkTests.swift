import AgentAPI
import Fixtures
import Linux
import Testing

/// IPv6 beside IPv4: between tasks, by names, from the host by published and balanced ports, and without.
@Suite(.requiresRoot)
struct IPv6NetworkTests {
    /// Tells whether the doctor finds nothing wrong with IPv6: where frames on bridges are handed to the firewall before they have arrived,
    /// ports on [::1] don't answer (docs/architecture.md, "Networks").
    private func loopbackAnswers(_ host: TestHost) async throws -> Bool {
        let checks = try await host.dish("host", "doctor", "--json").output
        let found = try #require(checks.firstMatch(of: /"name" : "IPv6",\s*"result" : "(\w+)"/), "\(checks)")
        return found.1 == "ok"
    }

    private func fetch(_ url: String) async throws -> String {
        let page = try await Command(
            "/usr/bin/curl", ["--silent", "--show-error", "--fail", "--globoff", "--noproxy", "*", "--max-time", "5", url]
        ).run()
        return page.text + page.errorText
    }

    /// - Parameter name: what it answers with.
    private static func server(_ name: String) -> String {
        "sed -i 's/listen 80 /listen [::]:80 ipv6only=off /' /etc/nginx/sites-enabled/*; echo \(name) > /var/www/html/index.html; exec nginx -g 'daemon off;'"
    }

    @Test func tasksHaveIPv6BesideIPv4() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let (all, one, balanced) = (try FreePort.tcp(), try FreePort.tcp(), try FreePort.tcp())
            let started = try await host.dish(
                "run", "-d", "--name", "web", "--publish", "\(all):80", "--publish", "[::]:\(one):80", "//web:app", "--",
                "/bin/sh", "-c",
                Self.server("own"))
            #expect(started.code == 0, "\(started)\n\(host.agentLog)")
            let job = """
                jobs: [{name: job, image: //web:app, command: [sh, -c, "\(Self.server("balanced"))"], publish: ["\(balanced):80"],
                        health: [{tcp: 80, interval: 1s}]}]
                """
            let applied = try await host.dish("job", "apply", "-", input: job)
            #expect(applied.code == 0, "\(applied)")
            let web = try await host.task("web")
            let address = try #require(web.address6)
            #expect(address.hasPrefix("fd"))
            // The bridge has the first address of the network.
            let gateway = "\(address.split(separator: "::")[0])::1"

            for _ in 0..<50 where try await fetch("http://[\(address)]/") != "own\n" {
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(try await fetch("http://[\(address)]/") == "own\n")
            #expect(try await fetch("http://[\(gateway)]:\(all)/") == "own\n")
            #expect(try await fetch("http://[\(gateway)]:\(one)/") == "own\n")
            #expect(try await fetch("http://[\(gateway)]:\(balanced)/") == "balanced\n")
            #expect(try await fetch("http://127.0.0.1:\(all)/") == "own\n")
            #expect(try await fetch("http://127.0.0.1:\(one)/").contains("curl: (7)"))

            let answers = try await loopbackAnswers(host)
            if answers {
                #expect(try await fetch("http://[::1]:\(all)/") == "own\n")
                #expect(try await fetch("http://[::1]:\(one)/") == "own\n")
                #expect(try await fetch("http://[::1]:\(balanced)/") == "balanced\n")
            }
            // Whether it answers or not, such a port is said to be in use, or to be none that answers.
            let alone = try await host.dish(
                "run", "-d", "--publish", "[::1]:\(try FreePort.tcp()):80", "//web:app", "--", "/bin/true")
            #expect(answers ? alone.code == 0 : alone.errors.contains("answers to [::1] are dropped"), "\(alone)")

            let script =
                "curl -6 -sfg http://web/; curl -4 -sf http://web/; curl -6 -sf http://job/; curl -sfg 'http://[\(gateway)]:\(balanced)/'"
            let inside = try await host.dish("run", "--rm", "//web:app", "--", "/bin/sh", "-c", script)
            #expect(inside.output == "own\nown\nbalanced\nbalanced\n", "\(inside)")

            let taken = try await host.dish("run", "-d", "--publish", "[::1]:\(one):80", "//web:app", "--", "/bin/true")
            #expect(taken.code == 1 && taken.errors.contains("in use by the task 'web'"), "\(taken)")
            #expect(try await host.dish("rm", "--force", "web").code == 0)
            #expect(try await host.dish("job", "rm", "job").code == 0)
            let rules = try await Command("/usr/sbin/nft", ["list", "table", "ip6", host.bridge]).run().text
            #expect(
                rules.contains("masquerade") && !rules.contains("dport \(balanced)") && !rules.contains(". \(all) :"), "\(rules)")
        }
        let left = try await Command("/usr/sbin/nft", ["list", "table", "ip6", host.bridge]).run()
        #expect(!left.status.isSuccess)
    }

    @Test func withoutIPv6AllElseWorks() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent(["--subnet6", "none"]) { _ in
            let port = try FreePort.tcp()
            let started = try await host.dish(
                "run", "-d", "--name", "web", "--publish", "\(port):80", "//web:app", "--", "/bin/sh", "-c", Self.server("plain"))
            #expect(started.code == 0, "\(started)\n\(host.agentLog)")
            for _ in 0..<50 where try await fetch("http://127.0.0.1:\(port)/") != "plain\n" {
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(try await fetch("http://127.0.0.1:\(port)/") == "plain\n")
            #expect(try await host.task("web").address6 == nil)
            let refused = try await host.dish("run", "-d", "--publish", "[::]:\(port + 1):80", "//web:app", "--", "/bin/true")
            #expect(refused.code == 1 && refused.errors.contains("tasks have no IPv6 here"), "\(refused)")
        }
    }
}
