import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// What people type, and what they rely on: nothing is lost silently, and what can't be done is refused before anything is.
@Suite(.requiresRoot)
struct CommandTests {
    @Test func namesOfNothingAreErrorsUnlessThatIsAccepted() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try #require(try await host.dish("volume", "create", "there").code == 0)
            try #require(try await host.dish("run", "-d", "//os:base", "--name", "up", "--", "/bin/sleep", "1000").code == 0)
            for (arguments, what) in [
                (["job", "rm", "none"], "there is no job 'none'"), (["volume", "rm", "none"], "there is no volume 'none'"),
                (["volume", "rm", "there@none"], "there is no snapshot 'none' of the volume 'there'"),
                (["secret", "rm", "none"], "there is no secret 'none'"), (["image", "rm", "none"], "there is no image 'none'"),
                (["rm", "none"], "there is no task 'none'"),
            ] {
                let refused = try await host.dish(arguments: arguments)
                #expect(refused.code == 1 && refused.errors.contains(what), "\(arguments): \(refused)")
                let accepted = try await host.dish(arguments: arguments + ["--force"])
                #expect(accepted.code == 0 && accepted.errors.isEmpty, "\(arguments): \(accepted)")
            }
            let snapshot = try await host.dish("snapshot", "--remove", "up", "none")
            #expect(snapshot.code == 1 && snapshot.errors.contains("there is no snapshot 'none' of the task 'up'"), "\(snapshot)")
            // What fails for one doesn't keep the others from it.
            let some = try await host.dish("volume", "rm", "none", "there")
            #expect(some.code == 1 && some.errors.contains("'none'"), "\(some)")
            #expect(try await host.dish("volume", "show", "there").code == 1)
            let stopped = try await host.dish("stop", "-t", "0", "none", "up")
            #expect(stopped.code == 1 && stopped.output == "up\n", "\(stopped)")
        }
    }

    @Test func aSecretIsReplacedWhenThatIsSaid() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try #require(try await host.dish("secret", "create", "key", input: "one").code == 0)
            // The same again changes nothing.
            #expect(try await host.dish("secret", "create", "key", input: "one").code == 0)
            let refused = try await host.dish("secret", "create", "key", input: "two")
            #expect(refused.code == 1 && refused.errors.contains("there is a secret 'key' with another content"), "\(refused)")
            #expect(try Files.read("\(host.stateDirectory)/secrets/key") == Array("one".utf8))
            #expect(try await host.dish("secret", "create", "--replace", "key", input: "two").code == 0)
            #expect(try Files.read("\(host.stateDirectory)/secrets/key") == Array("two".utf8))
        }
    }

    @Test func logsAndEventsTakeTheSameTimes() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let script = "echo first; sleep 2.5; echo second"
            try #require(try await host.dish("run", "--name", "said", "//os:base", "--", "/bin/sh", "-c", script).code == 0)
            let all = try await host.dish("logs", "--timestamps", "said")
            let times = all.output.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
            try #require(times.count == 2, "\(all)")
            for since in ["1h", "-1h", "1 hour ago", "yesterday", times[0]] {
                let logs = try await host.dish("logs", "said", "--since", since)
                #expect(logs.code == 0 && logs.output == "first\nsecond\n", "\(since): \(logs)")
                let events = try await host.dish("events", "said", "--since", since)
                #expect(events.code == 0 && (events.output.contains("created") || since == times[0]), "\(since): \(events)")
            }
            #expect(try await host.dish("logs", "said", "--since", times[1]).output == "second\n")
            #expect(try await host.dish("logs", "said", "--until", times[0]).output == "first\n")
            #expect(try await host.dish("logs", "said", "--since", "0s").output == "")
            #expect(try await host.dish("events", "--since", "0s").output == "")
            #expect(try await host.dish("events", "--until", "1h").output == "")
            for command in ["logs", "events"] {
                let refused = try await host.dish(command, "said", "--since", "someday")
                #expect(refused.code == 2 && refused.errors.contains("--since 'someday'"), "\(refused)")
            }
        }
    }

    @Test func followingEventsBeginsNow() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try #require(try await host.dish("run", "--rm", "--name", "before", "//os:base", "--", "/bin/true").code == 0)
            // It ends when it has shown an event, for then it has begun to listen.
            let script = """
                "\(Programs.path("dish"))" events --follow >"$0" & pid=$!
                for i in $(seq 1000); do
                    "\(Programs.path("dish"))" run --rm --name after-$i //os:base -- /bin/true || exit 9
                    if grep -q after "$0"; then kill $pid; exit 0; fi
                done
                """
            let file = try Scratch.make("follow") + "/events"
            let outcome = try await host.dish(arguments: [], under: ["/bin/sh", "-c", script, file])
            #expect(outcome.code == 0, "\(outcome)")
            let seen = try Files.readText(file)
            #expect(seen.contains("after") && !seen.contains("before"), "\(seen)")
        }
    }

    @Test func anUnknownOptionIsMetWithTheOneThatBeginsSo() async throws {
        let host = try TestHost()
        for (arguments, guess) in [
            (["run", "--mem", "1G", "x"], "--memory"), (["stop", "--tim", "3", "x"], "--timeout"),
            (["rm", "--forse", "x"], "--force"),
            (["events", "--sinc=1h"], "--since"), (["pool", "usage", "--refesh"], "--refresh"),
        ] {
            let refused = try await host.dish(arguments: arguments)
            #expect(refused.code == 2 && refused.errors.contains("Did you mean '\(guess)'?"), "\(refused)")
        }
        let far = try await host.dish("run", "--zzz", "x")
        #expect(far.code == 2 && !far.errors.contains("Did you mean"), "\(far)")
    }

    @Test func anotherHostIsNeverMixedUpWithThisOne() async throws {
        let host = try TestHost()
        let forgotten = try await host.dish("stop", "web", "--tls-cert", "me.pem")
        #expect(forgotten.code == 2 && forgotten.errors.contains("name it with --host HOST:PORT"), "\(forgotten)")
        for arguments in [
            ["history", "--volume", "x"], ["history", "--image", "x"], ["pool", "scrub"], ["history", "web"],
            ["run", "-it", "x", "--", "sh"], ["run", "--rm", "x"], ["logs", "web", "--journal"],
        ] {
            let refused = try await host.dish(arguments: ["--host=nowhere.invalid:7070"] + arguments)
            let isAsked = refused.errors.contains("--host needs --tls-")
            #expect(
                refused.code == 1 && (isAsked || refused.errors.contains("over the API of nowhere.invalid:7070")), "\(refused)")
        }
        // What follows a -- is the command's.
        let inside = try await host.dish("exec", "web", "--", "ls", "--host", "x:1")
        #expect(inside.errors.contains("cannot reach the agent at"), "\(inside)")
    }

    @Test func anImageThatNobodyServesEndsTheWait() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let port = try FreePort.tcp()
            let name = "127.0.0.1:\(port)/none:1"
            let refused = try await host.dish("host", "prepull", name)
            #expect(refused.code == 1 && refused.errors.contains("pull '\(name)': "), "\(refused)")
            #expect(refused.errors.contains("dish host packages --forget \(name)"), "\(refused)")
            #expect(try await host.dish("host", "packages", "--forget", name).code == 0)
        }
    }
}
