import AgentAPI
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// A member of the agent's group who isn't root: what goes through the agent works, and the rest is refused before anything is done.
@Suite(.requiresRoot)
struct GroupMemberTests {
    /// A number nobody has: the group needs no entry.
    private let group: gid_t = 64_232

    /// Runs `dish` as a member.
    private func member(_ host: TestHost, _ program: String, _ arguments: String...) async throws -> Outcome {
        try await host.dish(
            arguments: arguments,
            under: [
                "/usr/bin/setpriv", "--reuid=1999", "--regid=\(group)", "--clear-groups", "/bin/sh", "-c",
                "shift; exec \"$0\" \"$@\"", program,
            ])
    }

    @Test func aMemberGetsAnswersOrReasons() async throws {
        let host = try TestHost(pool: try await SharedPool.shared.path(), agentOptions: ["--socket-group", "\(group)"])
        // Others must come as far as the test's own directory, and have the program.
        let folder = Files.parent(of: host.runtimeDirectory)
        for directory in [folder, Files.parent(of: folder)] { chmod(directory, 0o711) }
        defer { for directory in [folder, Files.parent(of: folder)] { chmod(directory, 0o700) } }
        let program = "\(folder)/dish-\(UInt32.random(in: 0 ... .max))"
        #expect(try await Command("/bin/cp", [Programs.path("dish"), program]).run().status.isSuccess)
        chmod(program, 0o755)
        defer { unlink(program) }
        try await host.withAgent { _ in
            let lines = "echo out; echo bad >&2; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 7"
            let run = try await member(host, program, "run", "--name", "mine", "//os:base", "--", "/bin/sh", "-c", lines)
            #expect(run.code == 7 && run.output.hasPrefix("out\nline 0\n") && run.errors.contains("bad\n"), "\(run)")
            #expect(run.output.hasSuffix("line 2999\n"), "\(run.output.suffix(200))")
            let logs = try await member(host, program, "logs", "mine")
            #expect(logs.code == 0 && logs.output == run.output, "\(logs)")
            #expect(try await member(host, program, "logs", "--tail", "2", "mine").output == "line 2998\nline 2999\n")
            #expect(try await member(host, program, "logs", "--since", "0s", "mine").output == "")
            #expect(try await member(host, program, "logs", "none").code == 1)

            // Removed when it has ended, and its output was printed.
            let once = try await member(host, program, "run", "--rm", "--name", "once", "//os:base", "--", "/bin/echo", "hello")
            #expect(once.code == 0 && once.output == "hello\n", "\(once)")
            #expect(try await host.dish("inspect", "once").code == 1)
            #expect(try await member(host, program, "rm", "mine").code == 0)
            #expect(try await member(host, program, "logs", "mine").output == run.output)

            let before = try await host.client.tasks().count
            func expect(_ refused: Outcome, _ what: String) {
                #expect(refused.code == 1 && refused.errors.contains(what) && refused.output.isEmpty, "\(refused)")
            }
            let terminal = try await member(host, program, "run", "-i", "//os:base", "--", "/bin/cat")
            expect(terminal, "cannot join a terminal or standard input to a command as user 1999")
            let journal = try await member(host, program, "logs", "mine", "--journal")
            expect(journal, "cannot read a journal (the console needs none: dish logs mine) as user 1999")
            expect(try await member(host, program, "exec", "mine", "--", "id"), "cannot enter a task as user 1999")
            expect(try await member(host, program, "history", "mine"), "cannot read what was as user 1999")
            expect(try await member(host, program, "pool", "ls"), "Permission denied")
            #expect(try await host.client.tasks().count == before)
        }
    }
}
