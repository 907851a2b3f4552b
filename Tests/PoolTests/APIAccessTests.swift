import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Linux
import Testing

/// Who may do what over the API: certificates and roles on TCP, a group on the socket.
@Suite(.requiresRoot)
struct APIAccessTests {
    /// What curl says of one request, with a client's certificate or without.
    private func ask(
        _ port: UInt16, _ method: String, _ path: String, _ client: TestAuthority.Certificate?, trusting authority: TestAuthority,
        _ options: [String] = [], body: String? = nil
    ) async throws -> (status: String, text: String) {
        var arguments =
            ["--silent", "--show-error", "--max-time", "30", "--cacert", authority.path, "--request", method] + options
        if let client { arguments += ["--cert", client.certificate, "--key", client.key] }
        if let body { arguments += ["--header", "Content-Type: application/json", "--data-binary", body] }
        let result = try await Command(
            "/usr/bin/curl", arguments + ["--write-out", "\n%{http_code}", "https://127.0.0.1:\(port)\(path)"]
        ).run()
        return (result.text.split(separator: "\n").last.map(String.init) ?? "", result.text + result.errorText)
    }

    /// One request of each kind, and the role that it takes. None of them changes anything: what they are about isn't there.
    private static let requests: [(method: String, path: String, role: String, body: String?)] = [
        ("GET", "/v1/tasks", "read", nil), ("GET", "/v1/tasks/none", "read", nil), ("GET", "/v1/jobs", "read", nil),
        ("GET", "/v1/events", "read", nil), ("GET", "/v1/host", "read", nil), ("GET", "/v1/secrets", "read", nil),
        ("GET", "/v1/openapi.json", "read", nil), ("POST", "/v1/tasks/none/start", "operate", nil),
        ("POST", "/v1/tasks/none/stop", "operate", #"{"timeout": 1}"#), ("PATCH", "/v1/tasks/none/limits", "operate", "{}"),
        ("POST", "/v1/tasks/none/snapshots", "operate", "{}"), ("POST", "/v1/tasks/none/rollback", "operate", "{}"),
        ("POST", "/v1/jobs/none/stop", "operate", nil), ("POST", "/v1/jobs/none/rollback", "operate", "{}"),
        ("POST", "/v1/tasks", "admin", #"{"image": "//no:such"}"#), ("DELETE", "/v1/tasks/none", "admin", nil),
        ("PUT", "/v1/jobs/none", "admin", #"{"name": "none", "task": {"image": "//no:such"}}"#),
        ("DELETE", "/v1/jobs/none", "admin", nil), ("DELETE", "/v1/secrets/none", "admin", nil),
        ("PUT", "/v1/secrets/none", "admin", #"{"value": "not base64"}"#),
    ]

    @Test func overTLSACertificateSaysWhatItsOwnerMayDo() async throws {
        let (authority, foreign) = (try await TestAuthority(), try await TestAuthority("somebody else"))
        let server = try await authority.give("/CN=host")
        let port = try FreePort.tcp()
        let host = try TestHost(
            pool: try await SharedPool.shared.path(),
            agentOptions: [
                "--listen", "127.0.0.1:\(port)", "--tls-cert", server.certificate, "--tls-key", server.key, "--tls-ca",
                authority.path,
            ])
        var clients: [String: TestAuthority.Certificate] = [:]
        for role in ["read", "operate", "admin"] {
            clients[role] = try await authority.give("/O=x/OU=web/OU=dish:\(role)/CN=\(role)er")
        }
        try await host.withAgent { _ in
            let roles = ["read", "operate", "admin"]
            for request in Self.requests {
                for role in roles {
                    let answer = try await ask(
                        port, request.method, request.path, clients[role], trusting: authority, body: request.body)
                    let may = roles.firstIndex(of: role)! >= roles.firstIndex(of: request.role)!
                    #expect(
                        (answer.status != "403") == may && answer.status.first.map { "24".contains($0) } == true,
                        "\(role): \(request.method) \(request.path): \(answer.text)")
                    if !may { #expect(answer.text.contains("needs the role '\(request.role)'"), "\(answer.text)") }
                }
            }
            // Nobody who has no good certificate comes as far as an answer.
            let strangers: [(String, TestAuthority.Certificate?)] = [
                ("none", nil), ("foreign", try await foreign.give("/OU=dish:admin/CN=mallory")),
                ("expired", try await authority.give("/OU=dish:admin/CN=late", days: -1)),
            ]
            for (what, certificate) in strangers {
                let answer = try await ask(port, "GET", "/v1/agent", certificate, trusting: authority)
                #expect(answer.status == "000", "\(what): \(answer.text)")
            }
            for subject in ["/CN=nobody", "/OU=dish:root/CN=nobody", "/OU=read/CN=nobody"] {
                let certificate = try await authority.give(subject)
                let answer = try await ask(port, "GET", "/v1/agent", certificate, trusting: authority)
                #expect(answer.status == "403" && answer.text.contains("names no role"), "\(subject): \(answer.text)")
            }
            let old = try await ask(
                port, "GET", "/v1/agent", clients["read"], trusting: authority,
                ["--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"])
            #expect(old.status == "000", "TLS 1.1: \(old.text)")
            let plain = try await Command("/usr/bin/curl", ["--silent", "--max-time", "5", "http://127.0.0.1:\(port)/v1/agent"])
                .run()
            #expect(!plain.status.isSuccess)

            try await checkCommandLine(host, port, authority, clients)
        }
    }

    /// `dish --host`.
    private func checkCommandLine(
        _ host: TestHost, _ port: UInt16, _ authority: TestAuthority, _ clients: [String: TestAuthority.Certificate]
    ) async throws {
        func options(_ role: String) throws -> [String] {
            let client = try #require(clients[role])
            return [
                "--host", "127.0.0.1:\(port)", "--tls-cert", client.certificate, "--tls-key", client.key, "--tls-ca",
                authority.path,
            ]
        }
        let run = try await host.dish(
            arguments: try options("admin") + ["run", "-d", "//os:base", "--name", "far", "--", "/bin/sleep", "1000"])
        #expect(run.code == 0 && run.text == "far", "\(run)")
        #expect(try await host.dish(arguments: try options("read") + ["ps"]).output.contains("far"))
        let refused = try await host.dish(arguments: try options("read") + ["stop", "far"])
        #expect(refused.code == 1 && refused.errors.contains("needs the role 'operate'"), "\(refused)")
        let inside = try await host.dish(arguments: try options("admin") + ["exec", "far", "--", "/bin/true"])
        #expect(inside.code == 1 && inside.errors.contains("it is done on the host itself"), "\(inside)")
        #expect(try await host.dish(arguments: try options("operate") + ["stop", "-t", "1", "far"]).code == 0)
        let events = try await host.dish(arguments: try options("read") + ["events", "far"])
        #expect(events.output.contains("'operateer' (operate) over TLS"), "\(events)")
        let without = try await host.dish(arguments: ["--host", "127.0.0.1:\(port)", "ps"])
        #expect(without.code == 1 && without.errors.contains("--host needs --tls-cert"), "\(without)")
    }

    /// As `dish --experimental-dump-help` has a command.
    private struct DumpedCommand: Decodable {
        struct Argument: Decodable {
            var kind: String
            var isOptional: Bool
            var names: [Name]?
        }
        struct Name: Decodable {
            var kind: String
            var name: String
        }
        var commandName: String
        var subcommands: [DumpedCommand]?
        var arguments: [Argument]?

        /// The words of each command that does something, with what it requires.
        func calls(_ before: [String]) -> [[String]] {
            let nested = (subcommands ?? []).filter { $0.commandName != "help" }
            if !nested.isEmpty { return nested.flatMap { $0.calls(before + [$0.commandName]) } }
            let required = (arguments ?? []).filter { !$0.isOptional }.flatMap { argument in
                guard argument.kind == "option", let name = argument.names?.first(where: { $0.kind == "long" }) else {
                    return ["x:x"]
                }
                return ["--\(name.name)", "1"]
            }
            return [before + required]
        }
    }

    @Test func noCommandWorksOnThisHostWhenAnotherIsNamed() async throws {
        let host = try TestHost()
        let dump = try await host.dish("--experimental-dump-help")
        struct Tool: Decodable { var command: DumpedCommand }
        let calls = try JSONDecoder().decode(Tool.self, from: Data(dump.output.utf8)).command.calls([])
        #expect(calls.count > 80)
        let elsewhere = ["--host", "nowhere.invalid:7070"]
        let more = [
            ["pool", "set", "--scrub-every", "never"], ["pool", "destroy", "x", "--yes"], ["image", "query", "deps", "//x:x"],
            ["volume", "rm", "x"], ["image", "rm", "x"], ["pool", "usage"], ["stop", "web"],
        ]
        for call in calls + more {
            for arguments in [elsewhere + call, call + elsewhere] {
                let outcome = try await host.dish(arguments: arguments)
                // One that asks an agent says what it needs for that, or asks.
                let refuses =
                    outcome.errors.contains("nowhere.invalid:7070") || outcome.errors.contains("--host needs --tls-")
                let isUsage = outcome.code == 2 && !more.contains(call)
                #expect(outcome.code == 1 && refuses || isUsage || call == ["job", "schema"], "\(arguments): \(outcome)")
            }
        }
    }

    @Test func aGroupMayUseTheSocketAndNothingBesideIt() async throws {
        // A number nobody has: the group needs no entry.
        let group: gid_t = 64_231
        let host = try TestHost(pool: try await SharedPool.shared.path(), agentOptions: ["--socket-group", "\(group)"])
        // Others must come as far as the test's own directory.
        let path = Files.parent(of: host.runtimeDirectory)
        for directory in [path, Files.parent(of: path)] { chmod(directory, 0o711) }
        defer { for directory in [path, Files.parent(of: path)] { chmod(directory, 0o700) } }
        try await host.withAgent { _ in
            let run = try await host.dish("run", "-d", "//os:base", "--name", "ours", "--", "/bin/sleep", "1000")
            #expect(run.code == 0, "\(run)")
            let socket = AgentDefaults.socket(in: host.runtimeDirectory)
            var status = stat()
            #expect(
                lstat(socket, &status) == 0 && status.st_mode & 0o777 == 0o660 && status.st_gid == group && status.st_uid == 0)
            func ask(as group: gid_t) async throws -> Command.Result {
                var spawn = Spawn(
                    "/usr/bin/curl", ["--silent", "--show-error", "--unix-socket", socket, "http://dishd/v1/tasks/ours/stop"])
                spawn.arguments += ["--header", "Content-Type: application/json", "--data-binary", #"{"timeout": 1}"#]
                spawn.identity = (1999, group)
                return try await Command(spawn).run()
            }
            let stranger = try await ask(as: 1999)
            #expect(!stranger.status.isSuccess, "\(stranger.text)")
            // A helper's socket is root's: its output and input aren't the API's.
            let task = try await host.task("ours")
            #expect(lstat(task.paths.helper, &status) == 0)
            var spawn = Spawn("/bin/ls", ["\(host.runtimeDirectory)/tasks"])
            spawn.identity = (1999, group)
            #expect(try await !Command(spawn).run().status.isSuccess)
            let member = try await ask(as: group)
            #expect(member.status.isSuccess && member.text.contains("\"name\":\"ours\""), "\(member.text) \(member.errorText)")
            #expect(try await host.events("ours").contains { $0.reason.contains("user 1999") })
        }
    }

    @Test func withoutAllThatTLSNeedsTheAgentDoesNotStart() async throws {
        let listen = try await Command(Programs.path("dishd"), ["--listen", "127.0.0.1:7000"]).run()
        #expect(listen.errorText.contains("--listen needs --tls-cert, --tls-key and --tls-ca"), "\(listen.errorText)")
        let host = try TestHost(pool: try await SharedPool.shared.path())
        var command = Command(
            Programs.path("dishd"),
            ["--listen", "127.0.0.1:7000", "--tls-cert", "/etc/hostname", "--tls-key", "/none", "--tls-ca", "/none"])
        command.spawn.environment["DISH_STATE_DIR"] = host.stateDirectory
        command.spawn.environment["DISH_RUN_DIR"] = host.runtimeDirectory
        let files = try await command.run()
        #expect(!files.status.isSuccess && files.errorText.contains("'/etc/hostname'"), "\(files.errorText)")
    }
}
