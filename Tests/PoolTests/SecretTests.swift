import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Linux
import Testing

/// Secrets reach the units they are for, and nothing else.
@Suite(.requiresRoot)
struct SecretTests {
    /// Files below a directory that have a text in them, without those below some others.
    private func files(with text: String, in directory: String, except: [String] = []) async throws -> [String] {
        let result = try await Command(
            "/bin/grep",
            ["--recursive", "--devices=skip", "--files-with-matches", "--text", "--fixed-strings", "--", text, directory]
        ).run()
        return result.text.split(separator: "\n").map(String.init).filter { file in !except.contains { file.hasPrefix($0) } }
    }

    /// Processes that show a text in their command line or environment.
    private func processes(showing text: String) throws -> [String] {
        let wanted = Array(text.utf8)
        return try Files.list("/proc").filter { $0.allSatisfy(\.isNumber) }.flatMap { pid in
            ["cmdline", "environ"].map { "/proc/\(pid)/\($0)" }
        }.filter { path in ((try? Files.read(path)) ?? []).firstRange(of: wanted) != nil }
    }

    private func read(_ credential: String, in task: String, _ host: TestHost) async throws -> Outcome {
        try await host.dish(
            "exec", task, "--", "systemd-run", "--quiet", "--wait", "--pipe", "--property=LoadCredential=\(credential)",
            "/bin/sh",
            "-c", "cat $CREDENTIALS_DIRECTORY/\(credential)")
    }

    @Test func aUnitInsideReadsThemAndNothingOutsideTellsThem() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        let folder = try Scratch.make("secrets")
        let (own, kept) = ("own-\(UInt64.random(in: 0 ... .max))", "kept-\(UInt64.random(in: 0 ... .max))")
        try Files.replace("\(folder)/own", with: own.utf8, durable: false)
        try await host.withAgent { _ in
            let made = try await host.dish("secret", "create", "web-key", input: kept)
            #expect(made.code == 0, "\(made)")
            let run = try await host.dish(
                "run", "//web:app", "--name", "safe", "--network", "none", "--secret", "password=\(folder)/own",
                "--stored-secret",
                "key=web-key")
            try #require(run.code == 0, "\(run)")
            #expect(try await read("password", in: "safe", host).text == own)
            #expect(try await read("key", in: "safe", host).text == kept)

            let state = host.stateDirectory
            let id = try await host.task("safe").id
            #expect(try await host.dish("snapshot", "safe", "later").code == 0)
            for secret in [own, kept, Data(own.utf8).base64EncodedString(), Data(kept.utf8).base64EncodedString()] {
                let stores = ["\(state)/secrets/", "\(state)/tasks/\(id)/secrets/"]
                #expect(try await files(with: secret, in: state, except: stores) == [])
                #expect(try await files(with: secret, in: "\(pool)/tasks/\(id)") == [])
                #expect(try processes(showing: secret) == [])
                for arguments in [["inspect", "safe"], ["logs", "safe"], ["events"], ["secret", "ls", "--json"]] {
                    #expect(try await !host.dish(arguments: arguments).output.contains(secret), "\(arguments)")
                }
            }
            #expect(try await host.task("safe").secrets == ["key", "password"])
            for path in ["\(state)/secrets/web-key", "\(state)/tasks/\(id)/secrets/password"] {
                var status = stat()
                #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_uid == 0, "\(path)")
            }
            let used = try await host.dish("secret", "rm", "web-key")
            #expect(used.code == 1 && used.errors.contains("the secret 'web-key' is given to 'safe'"), "\(used)")

            // Another agent, and another run: what was changed meanwhile is seen then.
            let changed = "changed-\(UInt64.random(in: 0 ... .max))"
            #expect(try await host.dish("secret", "create", "--replace", "web-key", "-", input: changed).code == 0)
            #expect(try await read("key", in: "safe", host).text == kept)
            for process in Inventory.processes(mentioning: "--bridge \(host.bridge)") {
                Glibc.kill(process.pid, SIGKILL)
                waitpid(process.pid, nil, 0)
            }
            _ = try await host.startAgent()
            #expect(try await host.dish("restart", "safe").code == 0)
            _ = try await host.wait(for: "safe") { $0.state == .running }
            #expect(try await read("password", in: "safe", host).text == own)
            #expect(try await read("key", in: "safe", host).text == changed)

            #expect(try await host.dish("rm", "--force", "--purge", "safe").code == 0)
            #expect(try await host.dish("secret", "rm", "web-key").code == 0)
            #expect(try await files(with: own, in: state) == [])
            #expect(try await files(with: changed, in: state) == [])
        }
    }

    @Test func aCommandFindsThemInItsCredentialsDirectory() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish(
                "run", "--rm", "--secret", "token", "//os:base", "--", "/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/token",
                input: "from standard input")
            #expect(run.code == 0 && run.text == "from standard input", "\(run)")
            let unknown = try await host.dish("run", "--stored-secret", "none", "//os:base", "--", "/bin/true")
            #expect(unknown.code == 1 && unknown.errors.contains("there is no secret 'none'; make it: dish secret create none"))
            let odd = try await host.dish("run", "--secret", "../x=/etc/hostname", "//os:base", "--", "/bin/true")
            #expect(odd.code == 2, "\(odd)")
            let job = try await host.dish(
                "job", "apply", "-", input: "jobs: [{name: s, image: //os:base, command: [/bin/sleep, '1000'], secrets: [none]}]")
            #expect(job.code == 1 && job.errors.contains("task.secrets[0]: there is no secret 'none'"), "\(job)")
        }
    }
}
