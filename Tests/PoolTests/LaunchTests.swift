import AgentAPI
import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// What a task finds when it starts, and what other users of the host see of it (docs/security.md).
@Suite(.requiresRoot)
struct LaunchTests {
    private static let kinds = [
        ["--security", "confined"], [], ["--security", "system"], ["--no-user-namespace"],
        ["--no-user-namespace", "--security", "system"],
    ]

    /// Opens a file in each way, also after it has tried to take `nodev` off.
    private static let opensNodes = """
        for path in /var/tmp/block /var/tmp/memory /var/tmp/own; do
          (: < $path) 2>/dev/null && echo "opened $path"
          (: > $path) 2>/dev/null && echo "wrote $path"
        done
        mount -o remount,dev / 2>/dev/null
        (: < /var/tmp/block) 2>/dev/null && echo "opened after remounting"
        mknod /var/tmp/made b 7 0 2>/dev/null && (: < /var/tmp/made) 2>/dev/null && echo "opened what it made"
        mknod /dev/made c 1 1 2>/dev/null && (: < /dev/made) 2>/dev/null && echo "opened what it made in /dev"
        echo x > /dev/null && head -c 1 /dev/zero | wc -c && (: < /dev/tty) 2>/dev/null
        echo done
        """

    @Test func filesOfProcThatAreTheMachinesAreMaskedWithoutAUserNamespace() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish(
                "run", "--rm", "--no-user-namespace", "//os:base", "--", "/bin/sh", "-c",
                "for path in kallsyms kcore keys sysrq-trigger timer_list; do [ ! -f /proc/$path ] || echo $path; done; echo done"
            )
            #expect(run.text == "done", "\(run)")
        }
    }

    @Test func aDeviceNodeInARootIsOfNoUse() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for options in Self.kinds {
                let run = try await host.dish(
                    arguments: ["run", "-d", "--name", "node"] + options
                        + [
                            "//os:base", "--", "/bin/sh", "-c",
                            "while [ ! -e /var/tmp/own ]; do sleep 0.05; done; \(Self.opensNodes)",
                        ])
                try #require(run.code == 0, "\(options): \(run)")
                let root = try await host.task("node").paths.root
                for (name, type, number) in [
                    ("block", S_IFBLK, dish_makedev(7, 0)), ("memory", S_IFCHR, dish_makedev(1, 1)),
                    ("own", S_IFCHR, dish_makedev(1, 3)),
                ] {
                    #expect(mknod("\(root)/var/tmp/\(name)", type | 0o666, dev_t(number)) == 0)
                }
                let output = try await host.dish("logs", "--follow", "node")
                #expect(output.output == "1\ndone\n", "\(options): \(output)")
                #expect(try await host.dish("rm", "--force", "--purge", "node").code == 0)
            }
        }
    }

    @Test func nothingOfATaskIsOnACommandLine() async throws {
        let host = try await SharedPool.shared.host()
        let secret = "s3cret-\(UInt32.random(in: 0 ... .max))"
        let odd = #"a "b" 'c' \d $HOME %n \"#
        try await host.withAgent { _ in
            let command = try await host.dish(
                "run", "-d", "--name", "command", "--env", "PASSWORD=\(secret)", "--env", "discovery.type=single-node", "--env",
                "ODD=\(odd)", "--env", "LINES=one\ntwo", "//os:base", "--", "/bin/sh", "-c",
                "tr '\\0' '|' < /proc/self/environ; echo; exec sleep 1000")
            try #require(command.code == 0, "\(command)")
            let booted = try await host.dish(
                "run", "--name", "booted", "--env", "PASSWORD=\(secret)", "--env", "ODD=\(odd)", "//os:base")
            try #require(booted.code == 0, "\(booted)")
            #expect(Inventory.processes(mentioning: secret).map(\.command) == [])
            // The program that has them can't be read by whoever runs it.
            let unreadable = try await host.dish(
                "exec", "command", "--", "/bin/sh", "-c", "cat /run/host/dish-start && echo read")
            #expect(unreadable.code == 1 && !unreadable.output.contains("read"), "\(unreadable)")

            var seen = ""
            for _ in 0..<100 where !seen.contains("container_uuid=") {
                seen = try await host.dish("logs", "command").output
                try await Task.sleep(for: .milliseconds(20))
            }
            for variable in [
                "PASSWORD=\(secret)|", "discovery.type=single-node|", "ODD=\(odd)|", "LINES=one\ntwo|",
                "container=systemd-nspawn|",
            ] {
                #expect(seen.contains(variable), "\(variable): \(seen)")
            }
            let inside = try await host.dish("exec", "booted", "--", "/bin/sh", "-c", "tr '\\0' '|' < /proc/1/environ")
            #expect(inside.output.contains("PASSWORD=\(secret)|") && inside.output.contains("ODD=\(odd)|"), "\(inside)")
            let broken = try await host.dish("run", "--name", "broken", "--env", "A=b\nc", "//os:base")
            #expect(broken.code == 1 && broken.errors.contains("the variable 'A' has a line break"), "\(broken)")
        }
    }

    @Test func commandsEndWithTheShellsCodes() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for (command, code) in [("/nowhere/program", CInt(127)), ("no-such-program", 127), ("/etc/passwd", 126)] {
                let outcome = try await host.dish("run", "--rm", "//os:base", "--", command)
                #expect(outcome.code == code, "\(command): \(outcome)")
            }
        }
    }

    @Test func anAllowedPathIsOpenedWithoutLinksAtEachStart() async throws {
        let host = try await SharedPool.shared.host()
        let shared = try Scratch.make("allowed")
        try Files.makeDirectories("\(shared)/a/data")
        try Files.replace("\(shared)/a/data/file", with: "allowed\n".utf8)
        let secret = try Scratch.make("secret")
        try Files.makeDirectories("\(secret)/data")
        try Files.replace("\(secret)/data/file", with: "secret\n".utf8)
        let workspace = try TestWorkspace()
        try workspace.write(
            "app/IMAGES.yaml",
            """
            images:
              - name: mounts
                parent: //os:base
                task:
                  mounts:
                    - {path: /data, host: \(shared)/a/data}
            """)
        let built = try await host.dish("image", "build", "//app:mounts", in: workspace.path)
        try #require(built.code == 0, "\(built)")
        try await host.withAgent { _ in
            let first = try await host.dish(
                "run", "--name", "mounts", "--allow-mount", shared, "//app:mounts", "--", "/bin/cat", "/data/file")
            #expect(first.code == 0 && first.output == "allowed\n", "\(first)")
            // The command line hears of the end before the agent does, which would start nothing yet.
            _ = try await host.wait(for: "mounts") { $0.state.hasEnded }
            for target in ["\(secret)", "../\(Files.name(of: secret))", "/proc/self/root\(secret)"] {
                #expect(rename("\(shared)/a", "\(shared)/was") == 0 && symlink(target, "\(shared)/a") == 0)
                _ = try await host.dish("start", "mounts")
                let task = try await host.task("mounts")
                #expect(task.state.hasEnded && task.exit?.code != 0, "\(target): \(task)")
                #expect(!(try await host.dish("logs", "mounts").output.contains("secret")), "\(target)")
                #expect(unlink("\(shared)/a") == 0 && rename("\(shared)/was", "\(shared)/a") == 0)
            }
            let again = try await host.dish("start", "mounts")
            #expect(again.code == 0, "\(again)")
        }
    }

    /// Asks Btrfs for subvolumes and snapshots in no quota group, and for plain ones.
    private static let subvolumes = """
        use Errno; $| = 1;
        sub ask { my ($name, $request, $arguments) = @_;
          open(my $directory, '<', '/var/tmp') or die; my $done = ioctl($directory, $request, $arguments);
          print "$name=", ($done ? 'made' : $!{EPERM} ? 'refused' : $!), "\\n"; }
        my $inherit = pack('Q9', 0, 0, 0, 0, 0, 0, 0, 0, 0);
        sub second { my ($name, $flags, $source) = @_; pack('q Q Q Q P Q Q Q a4040', $source, 0, $flags, 72, $inherit, 0, 0, 0, $name) }
        open(my $root, '<', '/');
        ask('group', 0x50009418, second('a', 4, 0)); ask('snapshot', 0x50009417, second('b', 4, fileno($root)));
        ask('plain-second', 0x50009418, second('c', 0, 0)); ask('high-bits', 0x7f50009418, second('d', 4, 0));
        ask('plain', 0x5000940e, pack('q a4088', 0, 'e'));
        """

    @Test func noSubvolumeIsMadeOutsideOfATasksQuotaGroup() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            for options in Self.kinds {
                let outcome = try await host.dish(
                    arguments: ["run", "--name", "groups", "--disk", "50M"] + options
                        + ["//os:base", "--", "/usr/bin/perl", "-e", Self.subvolumes])
                let lines = outcome.output.split(separator: "\n").map(String.init)
                #expect(
                    lines.prefix(4) == ["group=refused", "snapshot=refused", "plain-second=refused", "high-bits=refused"],
                    "\(outcome)")
                if lines.last == "plain=made" {
                    let task = try await host.task("groups")
                    let pool = try #require(host.pool)
                    let filesystem = try Filesystem(at: pool)
                    let made = try Subvolume.info("\(task.paths.root)/var/tmp/e").id
                    let root = try Subvolume.info(task.paths.root).id
                    #expect(try filesystem.groups(of: .subvolume(made)) == filesystem.groups(of: .subvolume(root)))
                }
                #expect(try await host.dish("rm", "--force", "--purge", "groups").code == 0)
            }
        }
    }

    @Test func whatATaskMakesInItsLogsCountsWithThem() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish("run", "--name", "logs", "//os:base")
            try #require(run.code == 0, "\(run)")
            let logs = Files.parent(of: try await host.task("logs").paths.log)
            try Subvolume.create("\(logs)/journal/nested")
            let filesystem = try Filesystem(at: logs)
            let groups = try filesystem.groups(of: .subvolume(Subvolume.info("\(logs)/journal/nested").id))
            #expect(try groups == filesystem.groups(of: .subvolume(Subvolume.info(logs).id)))
            let limit = try groups.first.flatMap { try filesystem.usage(of: $0)?.limit }
            #expect(limit == 256 << 20)
            #expect(try await host.dish("rm", "--force", "--purge", "logs").code == 0)
        }
    }

    /// As a task of an older agent could make them.
    @Test func subvolumesThatCountForNobodyAreAdopted() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let run = try await host.dish(
                "run", "-d", "--name", "stray", "--disk", "50M", "//os:base", "--", "/bin/sleep", "1000")
            try #require(run.code == 0, "\(run)")
            let root = try await host.task("stray").paths.root
            let pool = try Pool(at: try #require(host.pool))
            let filesystem = try Filesystem(at: root)
            let groups = try filesystem.groups(of: .subvolume(Subvolume.info(root).id))
            let other = QuotaGroup(level: 1, number: 1 << 44)
            try filesystem.createQuotaGroup(other)
            try Subvolume.create("\(root)/one", in: [other])
            try Files.replace("\(root)/one/file", with: [UInt8](repeating: 7, count: 3 << 20))
            try Subvolume.create("\(root)/one/two", in: [other])
            #expect(try pool.adoptStrays() == 2)
            for name in ["one", "one/two"] {
                #expect(try filesystem.groups(of: .subvolume(Subvolume.info("\(root)/\(name)").id)) == groups, "\(name)")
            }
            let used = try groups.first.flatMap { try filesystem.usage(of: $0)?.used } ?? 0
            #expect(used >= 3 << 20, "\(used)")
            #expect(try pool.adoptStrays() == 0)
            try? filesystem.destroyQuotaGroup(other)
        }
    }

    @Test func aTaskThatAsksForNoLimitsHasSome() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let outcome = try await host.dish(
                "run", "--rm", "//os:base", "--", "/bin/sh", "-c",
                "grep 'Max processes' /proc/self/limits; cat /sys/fs/cgroup/pids.max 2>/dev/null")
            let numbers = outcome.output.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
            #expect(numbers.contains { (64...16_384).contains($0) }, "\(outcome)")
        }
    }
}
