import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// Restoring, cloning, resizing and sharing volumes, and their snapshots by the clock.
@Suite(.requiresRoot)
struct VolumeChangesTests {
    private func read(_ host: TestHost, _ volume: String, _ file: String) throws -> String? {
        guard let pool = host.pool else { return nil }
        return try Files.readTextIfPresent("\(pool)/volumes/\(volume)/data/\(file)")
    }

    private func write(_ host: TestHost, _ volume: String, _ text: String) async throws {
        try Files.replace("\(#require(host.pool))/volumes/\(volume)/data/file", with: text.utf8)
    }

    @Test func aVolumeGoesBackToASnapshotAndWhatWasThereIsKept() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("volume", "create", "back", "--size", "100M")
            try await write(host, "back", "monday")
            _ = try await host.dish("volume", "snapshot", "back", "monday")
            try await write(host, "back", "tuesday")
            let command = ["run", "-d", "--name", "user", "--volume", "back:/srv/back", "//os:base", "--", "/bin/sleep", "300"]
            try #require(try await host.dish(arguments: command).code == 0)
            let refused = try await host.dish("volume", "restore", "back", "monday")
            #expect(refused.code == 1 && refused.errors.contains("dish stop user"), "\(refused)")
            #expect(try read(host, "back", "file") == "tuesday")

            _ = try await host.dish("stop", "--timeout", "1", "user")
            let restored = try await host.dish("volume", "restore", "back", "monday")
            #expect(restored.code == 0 && restored.output.hasPrefix("back@before-restore-2"), "\(restored)")
            #expect(try read(host, "back", "file") == "monday")
            // The task that is there sees it when it starts again.
            #expect(try await host.dish("start", "user").code == 0)
            #expect(try await host.dish("exec", "user", "--", "cat", "/srv/back/file").text == "monday")
            _ = try await host.dish("stop", "--timeout", "1", "user")
            let kept = restored.text.split(separator: "@").last.map(String.init) ?? ""
            #expect(try await host.dish("volume", "restore", "back", kept, "--discard").output == "")
            #expect(try read(host, "back", "file") == "tuesday")
            // The size holds for what was restored too.
            let data = "\(try #require(host.pool))/volumes/back/data"
            let full = try await Command("/bin/dd", ["if=/dev/urandom", "of=\(data)/big", "bs=1M", "count=200"]).run()
            #expect(full.errorText.contains("quota exceeded"), "\(full.errorText)")
            _ = try await host.dish("rm", "user")
            #expect(try await host.dish("volume", "rm", "back").code == 0)
        }
    }

    @Test func aCloneIsAVolumeOfItsOwnAndSizesChange() async throws {
        let host = try await SharedPool.shared.host()
        _ = try await host.dish("volume", "create", "origin", "--size", "100M")
        try await write(host, "origin", "first")
        _ = try await host.dish("volume", "snapshot", "origin", "one")
        try await write(host, "origin", "second")
        #expect(try await host.dish("volume", "clone", "origin", "now").code == 0)
        #expect(try await host.dish("volume", "clone", "origin@one", "then", "--size", "50M").code == 0)
        #expect(try read(host, "now", "file") == "second" && read(host, "then", "file") == "first")
        try await write(host, "then", "third")
        #expect(try read(host, "origin", "file") == "second")
        #expect(try await host.dish("volume", "clone", "origin", "now").code == 1)

        let data = "\(try #require(host.pool))/volumes/then/data"
        func fill(_ count: Int) async throws -> Command.Result {
            try await Command("/bin/dd", ["if=/dev/urandom", "of=\(data)/big", "bs=1M", "count=\(count)", "conv=fsync"]).run()
        }
        #expect(try await fill(60).errorText.contains("quota exceeded"))
        #expect(try await host.dish("volume", "resize", "then", "80M").code == 0)
        #expect(try await fill(60).status.isSuccess)
        let small = try await host.dish("volume", "resize", "then", "10M")
        #expect(small.code == 1 && small.errors.contains("more than 10 MiB"), "\(small)")
        #expect(try await host.dish("volume", "resize", "then", "none").code == 0)
        #expect(try await fill(100).status.isSuccess)
        for name in ["origin", "now", "then"] { #expect(try await host.dish("volume", "rm", name).code == 0) }
    }

    @Test func onlyASharedVolumeHasSeveralWriters() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("volume", "create", "common")
            func run(_ name: String) async throws -> Outcome {
                try await host.dish(
                    "run", "-d", "--name", name, "--volume", "common:/srv", "//os:base", "--", "/bin/sleep", "300")
            }
            #expect(try await run("one").code == 0)
            let refused = try await run("two")
            #expect(refused.code == 1 && refused.errors.contains("dish volume set common"), "\(refused)")
            #expect(try await host.dish("volume", "set", "common", "--shared").code == 0)
            #expect(try await run("two").code == 0)
            // Each has a range of ids of its own, and both see the same owners.
            _ = try await host.dish("exec", "one", "--", "sh", "-c", "echo x > /srv/x; chown 1000 /srv/x")
            #expect(try await host.dish("exec", "two", "--", "stat", "-c", "%u", "/srv/x").text == "1000")
            #expect(try await host.dish("volume", "set", "common", "--no-shared").code == 1)
            _ = try await host.dish("rm", "--force", "one", "two")
            #expect(try await host.dish("volume", "rm", "common").code == 0)
        }
    }

    @Test func theAgentMakesAndRemovesSnapshotsByTheClock() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try Pool(at: try #require(host.pool))
        let made = try await host.dish("volume", "create", "clocked", "--snapshots", "hourly=1")
        #expect(made.code == 0, "\(made)")
        // As an agent two hours ago would have: one that goes, and one that was pinned meanwhile.
        for name in ["old", "pinned"] {
            _ = try pool.snapshotVolume("clocked", as: name, scheduled: true)
            let path = "\(pool.path)/volumes/clocked/snapshots/\(name)/snapshot.json"
            let text = try Files.readText(path).replacing(/"created" : \d+/, with: "\"created\" : \(time(nil) - 7200)")
            try Files.replace(path, with: text.utf8)
        }
        #expect(try await host.dish("volume", "set", "clocked@pinned", "--pin").code == 0)
        _ = try await host.dish("volume", "snapshot", "clocked", "mine")
        try await host.withAgent { _ in
            for _ in 0..<100 where try pool.snapshots(of: "clocked").contains(where: { $0.name == "old" }) {
                try await Task.sleep(for: .milliseconds(100))
            }
            let names = try pool.snapshots(of: "clocked").map(\.name)
            #expect(names.count == 3 && names.first == "pinned" && names.contains("mine"), "\(names)")
            let shown = try await host.dish("volume", "show", "clocked")
            #expect(shown.output.contains("schedule: hourly=1") && shown.output.contains("by schedule"), "\(shown)")
            #expect(try await host.dish("volume", "set", "clocked", "--snapshots", "none").code == 0)
        }
        #expect(try await host.dish("volume", "rm", "clocked").code == 0)
    }
}
