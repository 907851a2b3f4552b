import AgentAPI
import Fixtures
import Spec
import Testing

/// What tasks may ask of the kernel, asked of it (docs/security.md, "Capabilities and system calls").
@Suite(.requiresRoot)
struct SecurityTests {
    /// Makes system calls of x86-64 with arguments that do no harm, and says of each whether it was refused (EPERM).
    private static let probe = """
        use Errno; use Socket;
        sub ask { my ($name, @call) = @_; $! = 0; my $r = syscall($call[0], @call[1..$#call]);
          my $how = $r != -1 ? 'ok' : $!{EPERM} ? 'refused' : 'answered'; print "$name=$how\\n"; }
        sub apart { my ($name, @call) = @_; my $pid = fork(); if ($pid == 0) { ask($name, @call); exit 0; } waitpid($pid, 0); }
        $| = 1;
        my ($none, $empty) = ('/none', '');
        apart('unshare', 272, 0x20000); apart('unshare-user', 272, 0x10000000); ask('setns', 308, -1, 0);
        ask('mount', 165, $none, $none, $empty, 0, 0); ask('umount', 166, $none, 0); ask('fsopen', 430, 'tmpfs', 0);
        ask('pivot_root', 155, $none, $none); ask('bpf', 321, 0, 0, 0); ask('keyctl', 250, 0, -3, 0);
        ask('perf', 298, 0, 0, -1, -1, 0); ask('userfaultfd', 323, 0); ask('io_uring', 425, 0, 0);
        apart('ptrace', 101, 0, 0, 0, 0); ask('vm_readv', 310, $$, 0, 0, 0, 0, 0); ask('chroot', 161, $none);
        ask('module', 175, 0, 0, $empty); ask('reboot', 169, 0, 0, 0, 0); ask('clock', 227, 0, 0);
        print 'raw=', (socket(my $raw, PF_INET, SOCK_RAW, 1) ? 'ok' : 'refused'), "\\n";
        print 'chown=', (open(my $f, '>', '/tmp/x') && chown(2, 2, '/tmp/x') ? 'ok' : 'refused'), "\\n";
        open(my $status, '<', '/proc/self/status'); while (<$status>) { print "$1=$2\\n" if /^(CapBnd|NoNewPrivs|Uid):\\s+(\\w+)/; }
        """

    /// What the probe said of each.
    private func ask(_ host: TestHost, _ options: String..., command: [String] = ["/usr/bin/perl", "-e", Self.probe]) async throws
        -> [String: String]
    {
        let outcome = try await host.dish(arguments: ["run", "--rm"] + options + ["//os:base", "--"] + command)
        guard outcome.code == 0 else { throw FixtureError("\(options): \(outcome)\n\(host.agentLog)") }
        let pairs = outcome.output.split(separator: "\n").map { $0.split(separator: "=").map(String.init) }
        return Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
    }

    #if arch(x86_64)
        @Test func aTaskIsRefusedWhatItsSecurityHasNot() async throws {
            let host = try await SharedPool.shared.host()
            try await host.withAgent { _ in
                let never = ["bpf", "keyctl", "perf", "userfaultfd", "io_uring", "module", "clock"]
                let ofSystems = ["unshare", "unshare-user", "setns", "mount", "umount", "fsopen", "pivot_root"]

                let command = try await ask(host)
                for call in never + ofSystems + ["ptrace", "reboot", "raw"] { #expect(command[call] == "refused", "\(call)") }
                for call in ["vm_readv", "chroot"] { #expect(command[call] != "refused", "\(call)") }
                // NET_RAW and NET_BROADCAST, without effect, are there for programs that ask for them.
                #expect(command["chown"] == "ok" && command["CapBnd"] == "00000000800429fb" && command["NoNewPrivs"] == "0")

                let system = try await ask(host, "--security", "system")
                for call in never + ["raw"] { #expect(system[call] == "refused", "\(call)") }
                for call in ofSystems + ["ptrace", "chroot"] { #expect(system[call] != "refused", "\(call)") }

                let confined = try await ask(host, "--security", "confined")
                for call in never + ofSystems + ["ptrace", "reboot", "raw", "vm_readv", "chroot", "chown"] {
                    #expect(confined[call] == "refused", "\(call)")
                }
                #expect(confined["CapBnd"] == "0000000000000000" && confined["NoNewPrivs"] == "1" && confined["Uid"] == "0")
                let user = try await ask(host, "--security", "confined", "--user", "daemon")
                #expect(user["Uid"] == "1" && user["NoNewPrivs"] == "1" && user["chown"] == "refused")

                let more = try await ask(host, "--cap-add", "SYS_PTRACE", "--cap-drop", "chown")
                #expect(more["ptrace"] != "refused" && more["chown"] == "refused" && more["mount"] == "refused")
                let own = try await ask(host, "--network", "none", "--cap-add", "NET_RAW")
                #expect(own["raw"] == "ok", "\(own)")
            }
        }
    #endif

    @Test func whatATaskHasIsToldAndWhatItCannotHaveIsRefused() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish(
                "run", "-d", "--name", "a", "--security", "confined", "--cap-add", "KILL", "//os:base", "--", "/bin/sleep", "1000"
            )
            #expect(run.code == 0, "\(run)")
            let task = try await host.task("a")
            #expect(task.security == .confined && task.capabilities == ["KILL"])
            for (options, why) in [
                (["--cap-add", "SYS_MODULE"], "--cap-add: SYS_MODULE can't be added: it loads modules"),
                (["--cap-add", "NET_ADMIN"], "only with the network none"),
                (["--cap-drop", "NOTHING"], "there is no capability"),
            ] {
                let refused = try await host.dish(arguments: ["run", "--rm"] + options + ["//os:base", "--", "/bin/true"])
                #expect(refused.code == 1 && refused.errors.contains(why), "\(refused)")
            }
            let booted = try await host.dish("run", "-d", "--security", "confined", "//os:base")
            #expect(booted.code == 1 && booted.errors.contains("'confined' is for a command"), "\(booted)")
            let job = """
                jobs:
                  - {name: j, image: //os:base, command: [/bin/sleep, "1000"], security: confined, capabilities: {add: [KILL, BPF]}}
                """
            let refused = try await host.dish("job", "apply", "-", input: job)
            #expect(refused.code == 1 && refused.errors.contains("task.capabilities.add[1]: BPF can't be added"), "\(refused)")
            let applied = try await host.dish("job", "apply", "-", input: job.replacing(", BPF", with: ""))
            #expect(applied.code == 0, "\(applied)")
            #expect(try await host.task("j-1").capabilities == ["KILL"])
        }
    }
}
