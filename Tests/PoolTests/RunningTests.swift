import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// What images of other tools count on when they run (docs/compatibility.md, "Running").
@Suite(.requiresRoot)
struct RunningTests {
    private func use(_ body: (TestHost, RunningImage) async throws -> Void) async throws {
        let host = try await SharedPool.shared.host()
        let image = try RunningImage(on: host)
        try await image.make("plain")
        try await host.withAgent { _ in try await body(host, image) }
    }

    private func run(_ host: TestHost, _ options: [String] = [], _ command: String, image: String = "plain") async throws
        -> Outcome
    {
        try await host.dish(arguments: ["run", "--rm"] + options + ["\(image):1", "--", "/bin/sh", "-c", command])
    }

    @Test func aCommandSeesWhatItsImageHasInRunAndTmp() async throws {
        try await use { host, _ in
            let look = """
                /tmp/entry; cat /var/run/app/file; stat -c '%a %u:%g' /run /run/app /tmp; stat -f -c %t /tmp /run /run/host/dish-ssh; echo x > /tmp/new; pwd
                """
            for options in [
                [], ["--no-user-namespace"], ["--security", "confined", "--cap-add", "DAC_OVERRIDE"], ["--security", "system"],
            ] {
                let seen = try await run(host, options + ["--workdir", "/run/work"], look)
                #expect(
                    seen.output
                        == "from tmp\nfrom run\n755 0:0\n750 1000:2000\n1777 0:0\n9123683e\n9123683e\n1021994\n/run/work\n",
                    "\(options): \(seen)")
            }
            // What is written is there in the next run.
            let again = try await host.dish(
                "run", "-d", "--name", "again", "--disk", "64M", "plain:1", "--", "/bin/sh", "-c",
                "test -e /run/mark && test -e /tmp/mark && echo again; touch /run/mark /tmp/mark")
            try #require(again.code == 0, "\(again)")
            _ = try await host.wait(for: "again") { $0.state.hasEnded }
            _ = try await host.dish("start", "again")
            _ = try await host.wait(for: "again") { $0.state.hasEnded && $0.generation == 2 }
            #expect(try await host.dish("logs", "again").output == "again\n")
            // It counts against --disk, and a task whose disk is full can be started nevertheless.
            let full = try await host.dish(
                "run", "-d", "--name", "full", "--disk", "16M", "plain:1", "--", "/bin/sh", "-c",
                "dd if=/dev/urandom of=/tmp/big bs=1M count=64 2>&1; echo x 2>&1 > /tmp/small; sleep 0.1; exit 3")
            try #require(full.code == 0, "\(full)")
            _ = try await host.wait(for: "full") { $0.state.hasEnded }
            let first = try await host.dish("logs", "full")
            #expect(first.output.contains("quota"), "\(first)")
            _ = try await host.dish("start", "full")
            let second = try await host.wait(for: "full") { $0.state.hasEnded && $0.generation == 2 }
            #expect(second.exit?.code == 3, "\(second)")
            // Only what is in its way goes to the command's own mounts.
            #expect(try await run(host, ["--network", "none"], "echo x > /run/host/x").code != 0)
        }
    }

    @Test func mountPointsThatTheImageHasNotGotBelongToItsRoot() async throws {
        try await use { host, _ in
            for name in ["points", "inner"] { #expect(try await host.dish("volume", "create", name).code == 0) }
            let seen = try await run(
                host,
                [
                    "--volume", "points:/new/deep/data", "--volume", "inner:/new/deep/data/inner", "--workdir",
                    "/new/deep/data/work",
                ],
                "stat -c '%u:%g' /new /new/deep /new/deep/data /new/deep/data/inner .; touch /new/file")
            #expect(seen.output == String(repeating: "0:0\n", count: 5) && seen.code == 0, "\(seen)")
        }
    }

    @Test(arguments: [
        ("srv/data", "/srv/data"), ("/srv/data/../made", "/srv/made"), ("../..", "/"), ("/var/run/new", "/run/new"), ("./", "/"),
    ])
    func anyWorkingDirectoryOfAnImageIsTaken(_ written: String, _ directory: String) async throws {
        try await use { host, image in
            let name = "dir\(UInt32.random(in: 0 ... .max))"
            try await image.make(name, #"{"WorkingDir": "\#(written)", "Cmd": ["/bin/sh", "-c", "/bin/pwd -P"]}"#)
            let seen = try await host.dish("run", "--rm", "\(name):1")
            #expect(seen.output == directory + "\n", "\(seen)")
            #expect(try await run(host, ["--workdir", "/srv/./data/../x"], "pwd").text == "/srv/x")
            // exec begins there too.
            let entered = try await host.dish(
                "run", "-d", "--name", "entered", "\(name):1", "--", "/bin/sleep", "86399")
            try #require(entered.code == 0, "\(entered)")
            #expect(try await host.dish("exec", "entered", "--", "/bin/pwd").text == directory)
            #expect(try await host.dish("exec", "--workdir", "/etc", "entered", "--", "/bin/pwd").text == "/etc")
            let relative = try await run(host, ["--workdir", "srv"], "pwd")
            #expect(relative.code == 1 && relative.errors.contains("must be an absolute path"), "\(relative)")
            let file = try await run(host, ["--workdir", "/etc/passwd/x"], "pwd")
            #expect(file.code == 1 && file.errors.contains("'/etc/passwd': Not a directory"), "\(file)")
        }
    }

    /// The ways in which images write to their own output.
    private static let ownWrites =
        "echo one > /dev/stdout && echo two >> /proc/self/fd/1 && echo four > /dev/stderr && echo six 1<> /dev/stdout"
    private static let writes = ownWrites + " && echo three > /proc/1/fd/1 && echo five > /proc/1/fd/2"

    @Test(arguments: [
        [], ["--no-user-namespace"], ["--security", "confined"], ["--cap-drop", "ALL"], ["--security", "system"],
    ])
    func theOutputCanBeOpenedByEachUserAttachedAndDetached(_ options: [String]) async throws {
        try await use { host, _ in
            for user in ["root", "keeper", "7:8"] {
                let attached = try await run(host, options + ["--user", user], Self.writes)
                #expect(attached.code == 0, "\(user): \(attached)")
                #expect(Set(attached.output.split(separator: "\n")) == ["one", "two", "three", "six"], "\(user): \(attached)")
                #expect(attached.errors == "four\nfive\n", "\(user): \(attached)")

                let detached = try await host.dish(
                    arguments: ["run", "-d", "--name", "writer"] + options + ["--user", user, "plain:1", "--", "/bin/sh", "-c"]
                        + ["\(Self.writes); exec sleep 86399"])
                #expect(detached.code == 0, "\(detached)")
                var log = ""
                for _ in 0..<400 where !log.contains("six") {
                    let shown = try await host.dish("logs", "writer")
                    log = shown.output + shown.errors
                    try await Task.sleep(for: .milliseconds(25))
                }
                #expect(log.split(separator: "\n").count == 6, "\(user): \(log)")
                let entered = try await host.dish(
                    "exec", "--user", user, "writer", "--", "/bin/sh", "-c",
                    "echo one > /dev/stdout && echo two > /dev/stderr && cat /dev/stdin", input: "three")
                #expect(entered.output == "one\nthree" && entered.errors == "two\n", "\(user): \(entered)")
                // To the task's log, as cron jobs do.
                let logged = try await host.dish(
                    "exec", "--user", user, "writer", "--", "/bin/sh", "-c", "echo seven > /proc/1/fd/1")
                #expect(logged.code == 0, "\(user): \(logged)")
                #expect(try await host.dish("rm", "--force", "writer").code == 0)
            }
            #expect(try await run(host, options + ["--interactive"], "cat /dev/stdin").code == 0)
        }
    }

    @Test(arguments: [[], ["--no-user-namespace"], ["--security", "confined"]])
    func aTerminalCanBeOpenedByEachUser(_ options: [String]) async throws {
        try await use { host, _ in
            let started = try await host.dish(
                arguments: ["run", "-d", "--name", "entered"] + options + ["plain:1", "--", "/bin/sleep", "86399"])
            try #require(started.code == 0, "\(started)")
            let (dish, folder) = (Programs.path("dish"), try Scratch.make("terminal"))
            for user in ["root", "keeper", "7:8"] {
                for arguments in [
                    "run --rm --tty \(options.joined(separator: " ")) --user \(user) plain:1",
                    "exec --tty --user \(user) entered",
                ] {
                    // Process 1's output isn't that of who enters.
                    let isRun = arguments.hasPrefix("run")
                    let inside = "\(isRun ? Self.writes : Self.ownWrites) && tty > /dev/stderr && echo done > /dev/tty"
                    try Files.replace(
                        "\(folder)/run", with: "exec \(dish) \(arguments) -- /bin/sh -c '\(inside)'".utf8, durable: false)
                    let seen = try await host.dish(
                        arguments: [], under: ["/bin/sh", "-c", "script -qec 'sh \(folder)/run' /dev/null </dev/null"])
                    for word in ["one", "two", "four", "six", "/dev/pts/", "done"] + (isRun ? ["three", "five"] : []) {
                        #expect(seen.output.contains(word), "\(options) \(arguments): \(word): \(seen)")
                    }
                }
            }
        }
    }

    @Test func aSignalIsToldFromACodeEverywhere() async throws {
        try await use { host, _ in
            for (command, code) in [("kill -9 $$", CInt(137)), ("kill -TERM $$", 143), ("exit 137", 137), ("exit 5", 5)] {
                for options in [[], ["--no-user-namespace"], ["--security", "confined", "--user", "keeper"]] {
                    #expect(try await run(host, options, command).code == code, "\(command)")
                }
            }
            for (name, command) in [("killed", "kill -9 $$"), ("coded", "exit 137")] {
                let started = try await host.dish(
                    "run", "-d", "--name", name, "--restart", "on-failure:1", "--restart-backoff", "1", "plain:1", "--",
                    "/bin/sh", "-c",
                    command)
                try #require(started.code == 0, "\(started)")
            }
            let killed = try await host.wait(for: "killed") { $0.state == .failed }
            #expect(killed.exit?.signal == 9 && killed.exit?.code == nil && killed.restarts == 1, "\(killed)")
            #expect(killed.reason?.contains("signal 9") == true, "\(killed)")
            let coded = try await host.wait(for: "coded") { $0.state == .failed }
            #expect(coded.exit?.code == 137 && coded.exit?.signal == nil, "\(coded)")
            #expect(try await host.events("killed").contains { $0.reason.contains("signal 9") })
            #expect(try await host.events("coded").contains { $0.reason.contains("137") && !$0.reason.contains("signal") })

            let sleeping = try await host.dish("run", "-d", "--name", "sleeping", "plain:1", "--", "/bin/sleep", "86399")
            try #require(sleeping.code == 0)
            for (command, code) in [("kill -9 $$", CInt(137)), ("exit 137", 137)] {
                #expect(try await host.dish("exec", "sleeping", "--", "/bin/sh", "-c", command).code == code)
            }
            #expect(try await host.dish("exec", "sleeping", "--", "/nowhere").code == 127)
            #expect(try await host.dish("exec", "sleeping", "--", "/etc/passwd").code == 126)
            // What stop has to kill is told as such; a command that is asked by process 1 hears of it.
            let asking = try await host.dish("exec", "sleeping", "--", "/bin/kill", "-USR1", "1")
            // With process 1 the kernel ends all others, which may be before this one has its own end.
            #expect([0, 137].contains(asking.code), "\(asking)")
            let asked = try await host.wait(for: "sleeping") { $0.state.hasEnded }
            #expect(asked.exit?.signal == Int(SIGUSR1), "\(asked)")
        }
    }

    @Test func whatEndsIsNotBelievedMoreThanItsCode() async throws {
        try await use { host, _ in
            // Root inside may write what it likes of its end: only what has the code that the runtime knows is believed.
            let started = try await host.dish(
                "run", "-d", "--name", "liar", "plain:1", "--", "/bin/sh", "-c",
                "while :; do echo lies > /run/host/dish-end; done & sleep 0.2; exit 7")
            try #require(started.code == 0)
            let liar = try await host.wait(for: "liar") { $0.state.hasEnded }
            #expect(liar.exit?.code == 7 && liar.exit?.signal == nil, "\(liar)")
        }
    }

    @Test func programsThatAskForCapabilitiesStartWithout() async throws {
        try await use { host, _ in
            let start =
                "for name in raw bind admin chown; do /$name/busybox true && echo $name; done; grep CapBnd /proc/self/status"
            for options in [
                [], ["--user", "keeper"], ["--no-user-namespace"], ["--security", "confined"], ["--cap-drop", "ALL"],
                ["--network", "none"], ["--security", "system"],
                ["--no-user-namespace", "--user", "keeper", "--cap-drop", "CHOWN"],
            ] {
                let seen = try await run(host, options, start)
                #expect(seen.output.hasPrefix("raw\nbind\nadmin\nchown\n"), "\(options): \(seen)")
                if options.contains("--no-user-namespace") || options.contains("ALL") || options.contains("confined") {
                    let bounding = seen.output.split(separator: "\t").last.flatMap { UInt64($0.dropLast(), radix: 16) } ?? .max
                    #expect(bounding & (1 << 13 | 1 << 21) == 0, "\(options): \(seen)")
                }
            }
            // The capability is had, by the file, and does nothing in the host's network namespace.
            let raw = try await run(host, ["--user", "keeper"], "/raw/busybox grep CapEff /proc/self/status")
            #expect(raw.output == "CapEff:\t0000000000002000\n", "\(raw)")
        }
    }

    /// What programs that start containers need of a task (docs/tasks.md, "Containers inside a task").
    @Test func aSystemTaskCanStartContainersAndACommandCannot() async throws {
        try await use { host, _ in
            let inner = """
                mkdir -p /root/lower /root/upper /root/work /root/merged; cp -a /bin /root/lower
                busybox mount -t overlay overlay -o lowerdir=/root/lower,upperdir=/root/upper,workdir=/root/work /root/merged || exit 1
                mkdir /root/merged/proc
                busybox unshare -m -p -i -u -n -f sh -c "busybox mount -t proc proc /root/merged/proc && \\
                    busybox chroot /root/merged sh -c 'busybox hostname inner; echo \\$\\$ \\$(busybox hostname)'"
                busybox hostname
                """
            for options in [["--security", "system"], ["--security", "system", "--no-user-namespace"]] {
                let seen = try await run(host, options + ["--name", "outer"], inner)
                #expect(seen.output == "1 inner\nouter\n", "\(options): \(seen)")
            }
            let refused = try await run(host, [], "busybox unshare -m true")
            #expect(refused.code != 0 && refused.errors.contains("not permitted"), "\(refused)")
        }
    }

    @Test func variablesOfAnyNameReachBootedTasksToo() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let options = ["--env", "discovery.type=single-node", "--env", "my-var=1", "--env", "a b=c d", "--env", "EMPTY="]
            let booted = try await host.dish(arguments: ["run", "--name", "booted"] + options + ["//os:base"])
            try #require(booted.code == 0, "\(booted)")
            let plain = try await host.dish(
                arguments: ["run", "-d", "--name", "plain"] + options + ["//os:base", "--", "/bin/sleep", "86399"])
            try #require(plain.code == 0, "\(plain)")
            for name in ["booted", "plain"] {
                let entered = try await host.dish("exec", name, "--", "env", "-0").output.split(separator: "\0")
                let first = try await host.dish("exec", name, "--", "cat", "/proc/\(name == "booted" ? 1 : 2)/environ").output
                    .split(separator: "\0")
                for variable in ["discovery.type=single-node", "my-var=1", "a b=c d", "EMPTY="] {
                    #expect(entered.contains(Substring(variable)), "\(name): \(variable): \(entered)")
                    #expect(first.contains(Substring(variable)), "\(name): \(variable): \(first)")
                }
            }
        }
    }
}
