import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// Many connections that ask for nothing.
@Suite(.requiresRoot)
struct ConnectionFloodTests {
    private func connect(_ port: UInt16) -> CInt {
        let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        _ = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return number
    }

    @Test func theAPIAnswersWhileManyConnectionsSayNothing() async throws {
        let authority = try await TestAuthority()
        let (server, client) = (try await authority.give("/CN=host"), try await authority.give("/OU=dish:read/CN=reader"))
        let (port, web) = (try FreePort.tcp(), try FreePort.tcp())
        let host = try TestHost(
            pool: try await SharedPool.shared.path(),
            agentOptions: [
                "--listen", "127.0.0.1:\(port)", "--tls-cert", server.certificate, "--tls-key", server.key, "--tls-ca",
                authority.path, "--web", "\(web)",
            ])
        try await host.withAgent { agent in
            // As many as a service has by default; this process needs more for its own ends.
            let limited = try await Command(
                "/usr/bin/env", ["prlimit", "--pid", "\(agent.pid)", "--nofile=1024:1024"]
            ).run()
            #expect(limited.status.isSuccess, "\(limited.errorText)")
            var idle: [CInt] = []
            defer { for number in idle { close(number) } }
            for _ in 0..<1200 { idle += [connect(port), connect(web)] }
            // A head that comes a byte at a time.
            for number in idle.suffix(20) { _ = send(number, "GET /", 5, CInt(MSG_NOSIGNAL)) }
            try await Task.sleep(for: .milliseconds(300))
            let open = try Files.list("/proc/\(agent.pid)/fd").count
            #expect(open < 500)
            let start = ContinuousClock.now
            let answer = try await host.dish("ps")
            #expect(answer.code == 0 && .now - start < .seconds(1), "\(answer)")
            let page = try await Command(
                "/usr/bin/curl", ["--silent", "--fail", "--noproxy", "*", "--max-time", "3", "http://127.0.0.1:\(web)/v1/agent"]
            ).run()
            #expect(page.status.isSuccess)
            let remote = try await Command(
                "/usr/bin/curl",
                ["--silent", "--fail", "--max-time", "3", "--cacert", authority.path, "--cert", client.certificate]
                    + ["--key", client.key, "https://127.0.0.1:\(port)/v1/agent"]
            ).run()
            #expect(remote.status.isSuccess)
            // What says nothing is closed before long.
            var isClosed = false
            for _ in 0..<140 where !isClosed {
                try await Task.sleep(for: .milliseconds(100))
                isClosed = try Files.list("/proc/\(agent.pid)/fd").count < open - 80
            }
            #expect(isClosed)
        }
    }
}
