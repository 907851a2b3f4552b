import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// Subvolumes that a task makes inside its root, and what new volumes begin with.
@Suite(.requiresRoot)
struct InnerSubvolumeTests {
    /// Makes, snapshots and removes subvolumes, and sets them read-only, by ioctl(2) of linux/btrfs.h.
    private static let tool = #"""
        use Fcntl; my ($what, $path, $other) = @ARGV;
        my ($dir, $name) = $path =~ m{^(.*)/([^/]+)$} or die; sub call { my ($at, $request, $data) = @_;
          sysopen(my $d, $at, O_RDONLY) or die "$at: $!\n"; ioctl($d, $request, $data) or do { print "$what: $!\n"; exit 1 }; }
        sub named { my $fd = shift; pack('q a4088', $fd, $name) }
        if ($what eq 'create') { call($dir, 0x5000940e, named(0)) }
        elsif ($what eq 'snapshot') { sysopen(my $s, $other, O_RDONLY) or die "$!\n"; call($dir, 0x50009401, named(fileno $s)) }
        elsif ($what eq 'delete') { call($dir, 0x5000940f, named(0)) }
        elsif ($what eq 'delete-id') { my $d = pack('q Q Q Q4 a4040', 0, 0, 0x10, 0, 0, 0, 0, pack('Q', $other)); call($dir, 0x5000943f, $d) }
        elsif ($what eq 'read-only') { call($path, 0x4008941a, pack('Q', 2)) }
        elsif ($what eq 'writable') { call($path, 0x4008941a, pack('Q', 0)) }
        print "$what done\n";
        """#

    private func start(_ host: TestHost, _ name: String, _ options: [String]) async throws -> (String...) async throws -> Outcome
    {
        let started = try await host.dish(
            arguments: ["run", "-d", "--name", name] + options + ["//os:base", "--", "/bin/sleep", "86399"])
        try #require(started.code == 0, "\(started)")
        return { (arguments: String...) in
            try await host.dish(arguments: ["exec", name, "--", "perl", "-e", Self.tool, "--"] + arguments)
        }
    }

    @Test(arguments: [[], ["--no-user-namespace"]])
    func rootInsideRemovesWhatItHasMadeAndNothingElse(_ options: [String]) async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let tool = try await start(host, "maker", options)
            for step in [
                ["create", "/srv/inner"], ["create", "/srv/inner/deeper"], ["snapshot", "/srv/kept", "/srv/inner"],
                ["read-only", "/srv/kept"],
                ["delete", "/srv/inner/deeper"], ["delete", "/srv/inner"],
            ] {
                let done = try await host.dish(arguments: ["exec", "maker", "--", "perl", "-e", Self.tool, "--"] + step)
                #expect(done.output == "\(step[0]) done\n", "\(step): \(done)")
            }
            let kept = try await tool("delete", "/srv/kept")
            #expect(kept.output.contains("Read-only"), "\(kept)")
            #expect(try await tool("writable", "/srv/kept").code == 0)
            #expect(try await tool("delete", "/srv/kept").code == 0)
            #expect(try await host.dish("exec", "maker", "--", "ls", "/srv").output == "")

            // Those of others, by their numbers: the image's, which this task could otherwise remove as user 0.
            let pool = try Pool(at: try #require(host.pool))
            for subvolume in try pool.filesystem().subvolumes().map(\.id).prefix(3) {
                let tried = try await tool("delete-id", "/srv/x", "\(subvolume)")
                #expect(tried.output.contains("not permitted"), "\(tried)")
            }
        }
    }

    @Test func commitCarriesWhatIsInSubvolumesInsideAndSnapshotSaysWhatItHasNot() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let tool = try await start(host, "maker", [])
            for path in ["/srv/a", "/srv/a/b", "/opt/c"] { #expect(try await tool("create", path).code == 0) }
            let write = try await host.dish(
                "exec", "maker", "--", "sh", "-c",
                "echo one > /srv/a/file; echo two > /srv/a/b/file; chmod 2750 /opt/c; chown 33:34 /opt/c; ln /srv/a/b/file /srv/a/b/same; sync"
            )
            #expect(write.code == 0, "\(write)")
            let snapshot = try await host.dish("snapshot", "maker", "now")
            #expect(snapshot.output == "now\n", "\(snapshot)")
            for path in ["srv/a", "srv/a/b", "opt/c"] {
                #expect(snapshot.errors.contains("not in the snapshot: the subvolume '\(path)'"), "\(snapshot)")
            }
            let committed = try await host.dish("commit", "maker", "carried:1")
            try #require(committed.code == 0, "\(committed)")
            let seen = try await host.dish(
                "run", "--rm", "carried:1", "--", "sh", "-c",
                "cat /srv/a/file /srv/a/b/file /srv/a/b/same; stat -c '%a %u:%g' /opt/c")
            #expect(seen.output == "one\ntwo\ntwo\n2750 33:34\n", "\(seen)")
            #expect(try await host.dish("snapshot", "--remove", "maker", "now").code == 0)
        }
    }

    @Test func aNewVolumeBeginsWithWhatTheImageHasInItsPlace() async throws {
        let host = try await SharedPool.shared.host()
        try await RunningImage(on: host).make("filled")
        try await host.withAgent { _ in
            func run(_ volume: String, _ command: String) async throws -> String {
                let run = try await host.dish("run", "--rm", "--volume", volume, "filled:1", "--", "/bin/sh", "-c", command)
                return run.output + run.errors
            }
            for name in ["filled", "empty", "missing", "written", "copy"] {
                _ = try await host.dish("volume", "rm", name)
                if name != "copy" { #expect(try await host.dish("volume", "create", name).code == 0) }
            }
            #expect(try await host.dish("volume", "clone", "filled", "copy").code == 0)
            let look = "cd /srv/data; stat -c '%a %u:%g' .; cat file link; ls; rm file; touch mine"
            let content = "2750 1000:2000\nfrom the image\nfrom the image\nfile\nlink\n"
            #expect(try await run("filled:/srv/data", look) == content)
            #expect(try await run("copy:/srv/data:ro", "cat /srv/data/file") == "from the image\n")
            // Only the first task's image gives it something, and what is there stays.
            #expect(try await run("filled:/srv/data", "ls /srv/data") == "link\nmine\n")
            #expect(try await run("empty:/srv/empty", "stat -c '%a %u:%g' /srv/empty") == "700 1000:1000\n")
            #expect(try await run("missing:/none/there", "stat -c '%a %u:%g' /none/there; ls /none/there") == "755 0:0\n")
            #expect(try await run("written:/srv/none", "touch /srv/none/mine") == "")
            #expect(try await run("written:/srv/data", "ls /srv/data") == "mine\n")
            for name in ["filled", "empty", "missing", "written", "copy"] {
                #expect(try await host.dish("volume", "rm", name).code == 0)
            }
        }
    }
}
