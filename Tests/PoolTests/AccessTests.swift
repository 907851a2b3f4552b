import Fixtures
import Glibc
import Linux
import Testing

/// Ways into a task: SSH and what stands on it, its files, its logs.
@Suite(.requiresRoot)
struct AccessTests {
    private func shell(_ script: String, _ host: TestHost) async throws -> Outcome {
        // Through `dish`, whose environment names the agent.
        try await host.dish(
            arguments: [], under: ["/bin/sh", "-c", "dish() { \"\(Programs.path("dish"))\" \"$@\"; }; \(script)"])
    }

    /// A task of an image with a server for SSH, rsync and the Python that Ansible needs.
    private func startServer(_ host: TestHost) async throws {
        let workspace = try TestWorkspace()
        try workspace.write(
            "ops/IMAGES.yaml",
            """
            images:
              - name: server
                parent: //os:base
                packages: [openssh-server, rsync, python3]
                users: [{name: deploy, uid: 2001, shell: /bin/sh}]
            """)
        let built = try await host.dish("image", "build", "//ops:server", in: workspace.path)
        try #require(built.code == 0, "\(built)")
        let started = try await host.dish("run", "//ops:server", "--name", "Server", "--network", "none")
        try #require(started.code == 0, "\(started)")
    }

    @Test func sshAndWhatStandsOnItReachATaskWithoutAnyNetwork() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try await startServer(host)
            let folder = try Scratch.make("access")
            let config = "\(folder)/config"
            try Files.replace(config, with: try await host.dish("ssh-config").output.utf8, durable: false)

            let direct = try await host.dish("ssh", "Server", "--user", "deploy", "--", "id -un; exit 7")
            #expect(direct.code == 7 && direct.text == "deploy", "\(direct)")
            let inside = try await shell("ssh -F \(config) Server.dish 'cat /proc/1/cgroup; hostname' < /dev/null", host)
            #expect(inside.code == 0 && inside.text.hasSuffix("Server"), "\(inside)")
            #expect(inside.errors == "", "no warning about unknown hosts: \(inside)")

            let text = try await shell(
                """
                set -e; cd \(folder); mkdir -p site/sub; echo one > site/a; echo two > site/sub/b
                scp -q -F config site/a Server.dish:/srv/scp; scp -q -F config Server.dish:/srv/scp back; cmp site/a back
                printf 'put site/a /srv/sftp\\n' | sftp -q -b - -F config Server.dish
                rsync -a -e 'ssh -F config' site/ Server.dish:/srv/rsync/
                rsync -a -e 'ssh -F config' Server.dish:/srv/rsync/ again/; diff -r site again
                head -c 3000000 /dev/urandom > big; ssh -F config Server.dish 'cat > /srv/big; sha256sum < /srv/big' < big > sum
                sha256sum < big | cmp - sum
                """, host)
            #expect(text.code == 0, "\(text)")
            let ping = try await shell(
                "cd \(folder) && ANSIBLE_LOCAL_TEMP=\(folder)/ansible ANSIBLE_SSH_ARGS='-F \(config)' HOME=\(folder) ansible all -i Server.dish, -m ping",
                host)
            #expect(ping.code == 0 && ping.output.contains("\"ping\": \"pong\""), "\(ping)")

            // Another task of the name has another key: no alarm, and the old key is worth nothing.
            let old = try await host.dish("ssh-known-host", "server.dish")
            #expect(try await host.dish("rm", "--force", "Server").code == 0)
            try #require(try await host.dish("run", "//ops:server", "--name", "Server").code == 0)
            #expect(try await shell("ssh -F \(config) Server.dish true < /dev/null", host).code == 0)
            #expect(try await host.dish("ssh-known-host", "server.dish").output != old.output)
            // Nothing of it is in what would become an image. The server's own keys were made at the task's first boot.
            let keys = try await host.dish(
                "exec", "Server", "--", "find", "/etc/ssh", "/root", "-newer", "/etc/machine-id", "-name", "*key*", "!", "-name",
                "ssh_host_*")
            #expect(keys.text == "", "\(keys)")
        }
    }

    @Test(arguments: [[], ["--no-user-namespace"]])
    func aLinkInPlaceOfTheServersDirectoryLeadsNowhere(_ options: [String]) async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            // A program of that name is enough to be asked.
            let run = try await host.dish(
                arguments: ["run", "-d", "--name", "linked"] + options + ["//os:base", "--", "/bin/sleep", "1000"])
            try #require(run.code == 0, "\(run)")
            let server = "printf '#!/bin/sh\nls -d /run/sshd >&2\n' > /usr/sbin/sshd; chmod 755 /usr/sbin/sshd"
            _ = try await host.dish("exec", "linked", "--", "sh", "-c", "mkdir -p /usr/sbin; \(server)")
            let asked = try await host.dish("ssh-proxy", "linked.dish", input: "")
            #expect(asked.errors == "/run/sshd\n", "\(asked)")
            let mounts = try await host.dish("exec", "linked", "--", "cat", "/proc/self/mountinfo")
            for target in ["/proc", "/"] {
                _ = try await host.dish("exec", "linked", "--", "sh", "-c", "rm -rf /run/sshd; ln -s \(target) /run/sshd")
                _ = try await host.dish("ssh-proxy", "linked.dish", input: "")
                let after = try await host.dish("exec", "linked", "--", "cat", "/proc/self/mountinfo")
                #expect(after.code == 0 && after.output == mounts.output, "\(after)")
            }
            #expect(mounts.code == 0 && !mounts.output.contains("/run/sshd"), "\(mounts)")
        }
    }

    @Test func anImageWithoutAServerSaysWhatToDo() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "-d", "--name", "bare", "//os:base", "--", "/bin/sleep", "60")
            let refused = try await host.dish("ssh", "bare")
            #expect(
                refused.code == 1 && refused.errors.contains("openssh-server") && refused.errors.contains("dish shell bare"),
                "\(refused)")
            let shell = try await host.dish("shell", "bare", "--user", "nobody", input: "id -un\n")
            #expect(shell.code == 0 && shell.text == "nobody", "\(shell)")
        }
    }

    @Test func filesAreCopiedBothWaysAndNoLinkLeadsOut() async throws {
        let host = try await SharedPool.shared.host()
        let folder = try Scratch.make("copies")
        let secret = "\(folder)/secret"
        try Files.replace(secret, with: "of the host".utf8, durable: false)
        try await host.withAgent { _ in
            _ = try await host.dish("volume", "create", "copied")
            let started = try await host.dish(
                "run", "-d", "--name", "files", "//os:base", "--volume", "copied:/srv/volume", "--", "/bin/sleep", "300")
            try #require(started.code == 0, "\(started)")
            let there = try await shell(
                """
                set -e; cd \(folder); mkdir -p tree/sub; echo one > tree/a; chmod 4750 tree/a; ln -s a tree/link; mkfifo tree/pipe
                truncate -s 100M tree/sparse; touch -d @1000000 tree/sub
                dish cp tree files:/srv/volume
                dish cp files:/srv/volume/tree back; diff -r --no-dereference tree/sub back/sub; cmp tree/a back/a
                stat -c '%a %u %Y' back/a back/sub; [ $(du -k back/sparse | cut -f1) -lt 100 ]
                tar c tree | dish cp - files:/var/tmp; dish cp files:/var/tmp/tree - | tar t | wc -l
                dish cp --archive files:/var/tmp shadow
                """, host)
            #expect(there.code == 0, "\(there)")
            // Read where the volume's files are: with the ids they have inside.
            let inside = try await host.dish(
                "exec", "files", "--", "stat", "-c", "%a %u %g %N", "/srv/volume/tree/a", "/srv/volume/tree/link")
            #expect(inside.text == "750 0 0 '/srv/volume/tree/a'\n777 0 0 '/srv/volume/tree/link' -> 'a'", "\(inside)")

            // A task that means harm: links that lead to the host's files from wherever they are resolved.
            let hostile =
                "cd /srv; ln -s \(folder) out; ln -s ../../../../../../../..\(folder) up; ln -s /proc/1/root\(folder) proc; ln -s \(secret) file"
            #expect(try await host.dish("exec", "files", "--", "sh", "-c", hostile).code == 0)
            for path in ["out/secret", "up/secret", "proc/secret", "file"] {
                let read = try await host.dish("cp", "files:/srv/\(path)", "\(folder)/stolen")
                #expect(read.code == 1 && !Files.exists("\(folder)/stolen"), "\(path): \(read)")
                let written = try await host.dish("cp", "\(folder)/tree/a", "files:/srv/\(path)")
                #expect(try Files.readText(secret) == "of the host", "\(path): \(written)")
            }
            let below = try await shell("cd \(folder); mkdir -p in/out; echo x > in/out/secret; dish cp in/. files:/srv", host)
            #expect(below.code == 1 && below.errors.contains("'out' is a link"), "\(below)")
            let archive = try await shell(
                "cd \(folder)/tree; tar c --transform 's,^,../../../..\(folder)/,' -P a | dish cp - files:/srv", host)
            #expect(archive.code == 1 && archive.errors.contains("leads out"), "\(archive)")
            let planted = try await shell(
                "cd \(folder); mkdir plant; ln -s \(folder) plant/x; tar c -C plant x > p.tar; rm plant/x; mkdir plant/x; echo y > plant/x/secret; tar r -C plant -f p.tar x/secret; mkdir landed; dish cp - files:/var/tmp < p.tar",
                host)
            #expect(planted.code == 1 && planted.errors.contains("'x' is a link"), "\(planted)")
            #expect(try Files.readText(secret) == "of the host")

            #expect(try await host.dish("stop", "--timeout", "1", "files").code == 0)
            let stopped = try await shell(
                "cd \(folder); dish cp tree/a files:/var/tmp/late && dish cp files:/var/tmp/late late && cmp tree/a late", host)
            #expect(stopped.code == 0, "\(stopped)")
            let volume = try await host.dish("cp", "files:/srv/volume/tree/a", "\(folder)/no")
            #expect(volume.code == 1 && volume.errors.contains("is the volume 'copied'"), "\(volume)")
            _ = try await host.dish("rm", "files")
            _ = try await host.dish("volume", "rm", "copied")
        }
    }

    @Test func theJournalIsReadFromOutsideByUnitPriorityAndTimeAlsoAfterTheTask() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            try #require(try await host.dish("run", "//web:app", "--name", "talks", "--disk", "100M").code == 0)
            let script =
                "logger -p user.err an error; logger -p user.info a note; systemd-run --quiet --wait --unit speaks echo of the unit; journalctl --sync; systemctl is-system-running"
            let said = try await host.dish("exec", "talks", "--", "sh", "-c", script)
            #expect(said.text == "running", "\(said)")
            func logs(_ arguments: String...) async throws -> String {
                let outcome = try await host.dish(arguments: ["logs", "talks"] + arguments)
                #expect(outcome.errors == "", "\(outcome)")
                return outcome.output
            }
            func check() async throws {
                #expect(try await logs("--priority", "err", "--output", "cat").contains("an error\n"))
                #expect(try await !logs("--priority", "err").contains("a note"))
                #expect(try await logs("--unit", "speaks", "--output", "cat").contains("of the unit\n"))
                #expect(try await !logs("--unit", "speaks").contains("a note"))
                #expect(try await logs("--since", "-1h", "--grep", "a note", "-n", "1").contains("a note"))
                #expect(try await logs("--until", "-1h") == "")
                #expect(try await logs("--journal", "--output", "json", "-n", "1").hasPrefix("{"))
            }
            try await check()
            // Not in the root file system.
            let id = try #require(try await host.dish("inspect", "talks").output.firstMatch(of: /"id" : "([0-9a-f]+)"/)).1
            #expect(try Files.list("\(pool)/tasks/\(id)/rootfs/var/log/journal") == [])

            async let followed = host.dish("logs", "talks", "--journal", "-f", "-n", "0", "--output", "cat")
            try await Task.sleep(for: .seconds(2))
            _ = try await host.dish("exec", "talks", "--", "logger", "said later")
            // A flood reaches the limit of the logs, not that of the task's disk.
            let flood =
                "head -c 300M /dev/urandom > /var/log/journal/flood; head -c 20M /dev/urandom > /var/tmp/mine && echo fits"
            let flooded = try await host.dish("exec", "talks", "--", "sh", "-c", flood)
            #expect(flooded.errors.contains("quota exceeded") && flooded.text == "fits", "\(flooded)")
            _ = try await host.dish("exec", "talks", "--", "rm", "/var/log/journal/flood")
            #expect(try await host.dish("stop", "talks").code == 0)
            let heard = try await followed
            #expect(heard.code == 0 && heard.output.contains("said later"), "\(heard)")

            #expect(try await host.dish("rm", "talks").code == 0)
            try await check()
            #expect(try await host.dish("logs", "talks").output.contains("nginx.service"))
            #expect(try await host.dish("logs", "--removed").output.contains("talks"))
            #expect(try await host.dish("rm", "--purge", "talks").code == 0)
            #expect(try await host.dish("logs", "talks").code == 1)

            // What is removed as it ends leaves nothing.
            _ = try await host.dish("run", "--rm", "--name", "brief", "//os:base", "--", "/bin/echo", "gone")
            #expect(try await host.dish("logs", "brief").code == 1)
        }
    }
}
