import AgentAPI
import CLinux
import Fixtures
import Glibc
import Linux
import Testing

/// Whatever enters a running task is held as the task is, and has nothing of the caller's (docs/security.md, "What enters a task").
@Suite(.requiresRoot)
struct EntryTests {
    private static func start(_ host: TestHost, _ name: String, _ options: String..., command: [String]) async throws {
        let run = try await host.dish(arguments: ["run", "-d", "--name", name] + options + ["//os:base", "--"] + command)
        try #require(run.code == 0, "\(run)")
    }

    #if arch(x86_64)
        /// Tries every system call with arguments that do no harm, those that end or stop the caller in a child; prints those that
        /// are refused, and what else holds the process.
        private static let probe = """
            use Errno; $| = 1;
            my %left = map { $_ => 1 } (15, 22, 34, 35, 56, 57, 58, 59, 60, 61, 62, 200, 219, 231, 234, 247, 322, 435);
            my @refused;
            for my $call (0..334, 424..450) {
              next if $left{$call}; pipe(my $in, my $out); my $pid = fork();
              if ($pid == 0) { close $in; open(STDIN, '<', '/dev/null'); my $soon = pack('q4', 0, 0, 0, 50000); syscall(38, 0, $soon, 0); $! = 0;
                my $r = syscall($call, -1, -1, -1, -1, -1, -1); print $out 'x' if $r == -1 && $!{EPERM}; close $out;
                require POSIX; POSIX::_exit(0); }
              close $out; push @refused, $call if <$in>; waitpid($pid, 0);
            }
            for my $request (0x5412, 0x541c, 0x50009417, 0x50009418, 0x5000943f) {
              $! = 0; push @refused, sprintf('ioctl-%x', $request) if syscall(16, 0, $request, 0) == -1 && $!{EPERM}; }
            print 'refused=', join(',', @refused), "\\n";
            open(my $status, '<', '/proc/self/status');
            while (<$status>) { print "$1=$2\\n" if /^(Cap(?:Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):\\s+(\\w+)/; }
            """

        private static func facts(_ text: String) -> [String: String] {
            let pairs = text.split(whereSeparator: \.isNewline).map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
            return Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
        }

        @Test(arguments: [[], ["--security", "confined"], ["--security", "system"], ["--no-user-namespace"]])
        func whatATaskIsRefusedIsRefusedToWhoeverEntersIt(_ options: [String]) async throws {
            let host = try await SharedPool.shared.host()
            try await host.withAgent { _ in
                let own = try await host.dish(
                    arguments: ["run", "--rm"] + options + ["//os:base", "--", "/usr/bin/perl", "-e", Self.probe])
                let run = try await host.dish(
                    arguments: ["run", "-d", "--name", "held"] + options + ["//os:base", "--", "/bin/sleep", "1000"])
                try #require(own.code == 0 && run.code == 0, "\(own) \(run)")
                let inside = try await host.dish("exec", "held", "--", "/usr/bin/perl", "-e", Self.probe)
                Self.expect(Self.facts(own.output), Self.facts(inside.output), "\(options)")
            }
        }

        @Test func whatABootedTaskIsRefusedIsRefusedToWhoeverEntersIt() async throws {
            let host = try await SharedPool.shared.host()
            try await host.withAgent { _ in
                let run = try await host.dish("run", "-d", "--name", "booted", "//os:base")
                try #require(run.code == 0, "\(run)")
                let command = ["/usr/bin/perl", "-e", Self.probe]
                let own = try await host.dish(
                    arguments: ["exec", "booted", "--", "systemd-run", "--quiet", "--pipe", "--wait"] + command)
                let inside = try await host.dish(arguments: ["exec", "booted", "--"] + command)
                Self.expect(Self.facts(own.output), Self.facts(inside.output), "booted")
            }
        }

        private static func expect(_ own: [String: String], _ inside: [String: String], _ comment: Comment) {
            let refused = Set((own["refused"] ?? "").split(separator: ","))
            #expect(refused.count > 20, "\(own)")
            let missing = refused.subtracting((inside["refused"] ?? "").split(separator: ","))
            #expect(missing.isEmpty, "\(comment): \(missing.sorted())")
            for request in ["ioctl-5412", "ioctl-541c", "ioctl-50009417", "ioctl-50009418"] {
                #expect((inside["refused"] ?? "").contains(request), "\(comment)")
            }
            #expect(inside["CapInh"] == "0000000000000000", "\(comment)")
            for name in ["CapBnd", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp"] {
                #expect(inside[name] != nil && inside[name] == own[name], "\(comment): \(name) \(own) \(inside)")
            }
        }
    #endif

    @Test func aHealthCheckIsHeldAsItsTaskIsAndSeesItsEnvironment() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let script = "{ cat /proc/self/status; env; } > /tmp/seen.new; mv /tmp/seen.new /tmp/seen"
            let run = try await host.dish(
                "run", "-d", "--name", "checked", "--no-user-namespace", "--env", "COLOUR=green", "--health-cmd", script,
                "--health-interval", "0.2", "//os:base", "--", "/bin/sleep", "1000")
            try #require(run.code == 0, "\(run)")
            for _ in 0..<50 where try await host.dish("exec", "checked", "--", "test", "-e", "/tmp/seen").code != 0 {
                try await Task.sleep(for: .milliseconds(100))
            }
            let seen = try await host.dish("exec", "checked", "--", "cat", "/tmp/seen")
            #expect(seen.output.contains("CapBnd:\t00000000800405fb") && seen.output.contains("CapEff:\t00000000800405fb"))
            #expect(seen.output.contains("Seccomp:\t2") && seen.output.contains("COLOUR=green"), "\(seen)")
        }
    }

    @Test func whoEntersHasNothingOfTheCallers() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try await Self.start(host, "apart", "--env", "COLOUR=green", command: ["/bin/sleep", "1000"])
            let script = """
                for d in 0 1 2; do readlink /proc/self/fd/$d | cut -d: -f1; done; ls /proc/self/fd | wc -l; umask; pwd; tty
                cut -d' ' -f6 /proc/self/stat; echo $COLOUR $HOME $USER ${SECRET_OF_CALLER:-none}
                cat /proc/self/personality /proc/keys 2>/dev/null | grep -c caller
                """
            let file = "\(try Scratch.make("entry"))/out"
            let outcome = try await host.dish(
                arguments: ["exec", "apart", "--no-tty", "--", "/bin/sh", "-c", script],
                under: [
                    "/bin/sh", "-c",
                    "umask 077; export SECRET_OF_CALLER=1; \"$0\" \"$@\" > \(file); code=$?; cat \(file); exit $code",
                ])
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(Array(lines.prefix(3)) == ["pipe", "pipe", "pipe"], "\(outcome)")
            #expect(lines.dropFirst(4).first == "0022" && lines.contains("not a tty"), "\(outcome)")
            // Its session began inside: outside's have no number there.
            #expect(lines.contains("green /root root none") && !lines.contains("0 0"), "\(outcome)")
            for (arguments, expected) in [
                (["--user", "daemon", "--", "id", "-u"], "1"), (["--user", "1234:5", "--", "id", "-u"], "1234"),
                (["--user", "1234:5", "--", "id", "-G"], "5"), (["--user", "root:adm", "--", "id", "-g"], "4"),
            ] {
                let outcome = try await host.dish(arguments: ["exec", "apart"] + arguments)
                #expect(outcome.code == 0 && outcome.text == expected, "\(arguments): \(outcome)")
            }
            for (arguments, code) in [
                (["nosuch"], 127), (["/nosuch"], 127), (["/etc/passwd"], 126), (["sh", "-c", "kill -9 $$"], 137),
            ] {
                let outcome = try await host.dish(arguments: ["exec", "apart", "--"] + arguments)
                #expect(outcome.code == Int32(code), "\(arguments): \(outcome)")
            }
            let more = try await host.dish(
                "exec", "--privileged", "apart", "--", "grep", "-E", "CapEff|Seccomp:", "/proc/self/status")
            #expect(more.output.contains("Seccomp:\t0") && more.output.contains("ffffffff"), "\(more)")
            #expect(try await host.dish("events").output.contains("apart entered with privileges"))
        }
    }

    @Test func whatPassesThroughArrivesWholeAndEndsWithTheCommand() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try await Self.start(host, "relay", command: ["/bin/sleep", "1000"])
            let dish = Programs.path("dish")
            let script = """
                set -e
                dish() { "\(dish)" "$@"; }
                head -c 200000000 /dev/zero | dish exec relay -- wc -c
                dish exec relay -- head -c 200000000 /dev/zero | (sleep 0.3; wc -c)
                head -c 20000000 /dev/urandom > $0; sha256sum < $0
                dish exec relay -- /bin/sh -c 'cat; echo end >&2; exit 0' < $0 2> $0.err | sha256sum; cat $0.err
                printf 'one\\ntwo\\nthree\\n' > $0
                while read -r line; do dish exec relay -- echo "$line"; done < $0
                timeout 5 "\(dish)" exec relay -- /bin/sh -c 'sleep 100 & echo left' < /dev/null
                dish exec relay -- bash -c 'exec > >(sleep 0.1; tee /tmp/log); echo filtered'
                dish exec relay -- yes 2>/dev/null | head -1
                (sleep 0.2; echo late) | dish exec relay -- cat
                timeout --signal=TERM 1 "\(dish)" exec relay -- sleep 4711 </dev/null || echo ended $?
                sleep 0.2; dish exec relay -- /bin/sh -c 'grep -l 471[1] /proc/[0-9]*/cmdline || echo gone'
                """
            let folder = try Scratch.make("relay")
            let outcome = try await host.dish(arguments: [], under: ["/bin/bash", "-c", script, "\(folder)/data"])
            let lines = outcome.output.split(separator: "\n").map(String.init)
            try #require(lines.count == 14, "\(outcome)")
            #expect(lines[0] == "200000000" && lines[1] == "200000000" && lines[2] == lines[3], "\(outcome)")
            #expect(
                Array(lines[4...]) == ["end", "one", "two", "three", "left", "filtered", "y", "late", "ended 124", "gone"],
                "\(outcome)")
        }
    }

    @Test func signalsReachTheCommandAndASecondOneEndsIt() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try await Self.start(host, "signalled", command: ["/bin/sleep", "1000"])
            let script = """
                dish() { "\(Programs.path("dish"))" "$@"; }
                start() { "\(Programs.path("dish"))" exec signalled -- "$@" < /dev/null & pid=$!; sleep 0.7; }
                start /bin/sh -c 'trap "echo tidied; exit 5" TERM; sleep 4712 & wait'; kill -TERM $pid; wait $pid; echo $?
                start sleep 4713; kill -INT $pid; wait $pid; echo $?
                start /bin/sh -c 'trap "" TERM; sleep 4714; sleep 4715'
                kill -TERM $pid; sleep 0.3; kill -TERM $pid; wait $pid; echo $?
                # Nobody reads: the pipe to it stays full.
                mkfifo $0; sleep 20 > $0.out < $0 & reader=$!
                exec 5> $0; "\(Programs.path("dish"))" exec signalled -- yes < /dev/null >&5 5>&- & pid=$!; exec 5>&-
                sleep 0.7; kill -TERM $pid; timeout 5 tail --pid=$pid -f /dev/null; echo standing $?; kill -9 $pid $reader 2>/dev/null
                sleep 0.2; dish exec signalled -- /bin/sh -c 'grep -l 471[2345] /proc/[0-9]*/cmdline || echo gone'
                """
            let outcome = try await host.dish(
                arguments: [], under: ["/bin/bash", "-c", script, "\(try Scratch.make("signals"))/pipe"])
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(lines == ["tidied", "5", "130", "143", "standing 0", "gone"], "\(outcome)")
        }
    }

    @Test func aHealthCheckThatTakesTooLongLeavesNoProcess() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            // A task that isn't healthy yet is asked again soon.
            let check = "mkdir /tmp/asked || exit 0; trap '' TERM; sleep 4716; sleep 4717"
            let run = try await host.dish(
                "run", "-d", "--name", "slow", "--health-cmd", check, "--health-interval", "3600", "--health-timeout", "1",
                "//os:base", "--", "/bin/sleep", "1000")
            try #require(run.code == 0, "\(run)")
            let script =
                "for i in $(seq 50); do [ -e /tmp/asked ] && break; sleep 0.1; done; sleep 2; grep -l 471[67] /proc/[0-9]*/cmdline || echo gone"
            let left = try await host.dish("exec", "slow", "--", "/bin/sh", "-c", script)
            #expect(left.text == "gone", "\(left)")
        }
    }

    @Test func aDirectoryThatTheUserMayNotEnterIsAnError() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try await Self.start(host, "closed", command: ["/bin/sleep", "1000"])
            let made = try await host.dish("exec", "closed", "--", "install", "-d", "-m", "700", "/srv/closed")
            #expect(made.code == 0, "\(made)")
            let refused = try await host.dish(
                "exec", "closed", "--user", "daemon", "--workdir", "/srv/closed", "--", "ls", "-d", ".")
            #expect(refused.code != 0 && refused.errors.contains("'/srv/closed': Permission denied"), "\(refused)")
            // Of another user's home nothing is asked for.
            _ = try await host.dish("exec", "closed", "--", "usermod", "--home", "/srv/closed", "games")
            let home = try await host.dish("exec", "closed", "--user", "games", "--", "pwd")
            #expect(home.code == 0 && home.text == "/", "\(home)")
        }
    }

    /// The multiplexer is taken as root of the host, where the task has no user namespace.
    @Test func aTerminalIsTakenFromTheTasksDevptsAlone() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try await Self.start(host, "devices", "--no-user-namespace", command: ["/bin/sleep", "1000"])
            _ = try await host.dish("exec", "devices", "--", "ln", "-sfn", "/dev/null", "/dev/ptmx")
            let dish = Programs.path("dish")
            let shown = try await host.dish(
                arguments: [], under: ["/bin/sh", "-c", "script -qec '\(dish) exec devices -- tty' /dev/null"])
            #expect(shown.output.contains("/dev/pts/"), "\(shown)")
        }
    }

    @Test func aTerminalShowsWhatATaskSendsItInsteadOfActingOnIt() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let text = "\\033]0;title\\007\\033[31mred\\033[0m \\302\\233c \\342\\200\\256 ok\\n"
            let run = try await host.dish("run", "--name", "loud", "//os:base", "--", "printf", text)
            try #require(run.code == 0, "\(run)")
            let (dish, folder) = (Programs.path("dish"), try Scratch.make("loud"))
            let shown = try await host.dish(arguments: [], under: ["/bin/sh", "-c", "script -qec '\(dish) logs loud' /dev/null"])
            #expect(shown.output == "^[]0;title^Gred <U+009B>c <U+202E> ok\r\n", "\(shown)")
            let raw = try await host.dish(
                arguments: [], under: ["/bin/sh", "-c", "script -qec '\(dish) logs --raw loud' /dev/null"])
            #expect(raw.output.contains("\u{1B}[31mred"), "\(raw)")
            // So does what a task without a terminal prints while it is watched.
            let watch = "\(dish) run --rm //os:base -- printf '\\033]0;title\\007ok'"
            try Files.replace("\(folder)/run", with: watch.utf8, durable: false)
            let watched = try await host.dish(
                arguments: [], under: ["/bin/sh", "-c", "script -qec 'sh \(folder)/run' /dev/null </dev/null"])
            #expect(watched.output == "^[]0;title^Gok", "\(watched)")
            // An image gets no descriptor of the terminal that it is looked into from.
            let look = "\(dish) image shell //os:base -- readlink /proc/self/fd/0 | cat"
            let looked = try await host.dish(
                arguments: [], under: ["/bin/sh", "-c", "script -qec '\(look)' /dev/null </dev/null"])
            #expect(looked.output.hasPrefix("pipe:"), "\(looked)")
            #expect(try await host.dish("logs", "loud").output.contains("\u{1B}[31mred"))
        }
    }

    @Test func nothingEntersWithoutTheFilterAndTheAgentMakesItAnew() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { agent in
            try await Self.start(host, "bare", command: ["/bin/sleep", "1000"])
            let task = try await host.task("bare")
            let filter = "\(Files.parent(of: task.paths.helper))/filter"
            try #require(Files.exists(filter))
            var status = stat()
            #expect(stat(filter, &status) == 0 && status.st_mode & 0o777 == 0o600)
            unlink(filter)
            let refused = try await host.dish("exec", "bare", "--", "true")
            #expect(refused.code == 1 && refused.errors.contains("restart the agent"), "\(refused)")
            agent.kill()
            _ = try await host.startAgent()
            #expect(Files.exists(filter))
            #expect(try await host.dish("exec", "bare", "--", "true").code == 0)
        }
    }
}
