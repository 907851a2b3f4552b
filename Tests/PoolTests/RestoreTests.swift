import CLinux
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// Files of the past are found and brought back.
@Suite(.requiresRoot, .serialized)
struct RestoreTests {
    @Test func aFileDeletedInATaskIsFoundAndRestoredWithTwoCommands() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            try #require(try await host.dish("run", "-d", "--name", "past", "//os:base", "--", "/bin/sleep", "600").code == 0)
            let make =
                "mkdir -p /srv/deep; echo precious > /srv/deep/report; chmod 640 /srv/deep/report; chown 1000:1000 /srv/deep/report"
            #expect(try await host.dish("exec", "past", "--", "sh", "-c", make).code == 0)
            #expect(try await host.dish("snapshot", "past", "monday").code == 0)
            #expect(
                try await host.dish("exec", "past", "--", "sh", "-c", "rm -r /srv/deep; echo x > /srv/new; rm /etc/motd").code
                    == 0)
            #expect(try await host.dish("snapshot", "past", "tuesday").code == 0)

            let found = try await host.dish("history", "past", "--path", "/srv/deep/report")
            #expect(found.code == 0 && found.output.contains("not there"), "\(found)")
            #expect(found.output.split(separator: "\n").contains { $0.hasPrefix("monday") && $0.contains("9 B") }, "\(found)")
            let restored = try await host.dish("restore", "past", "/srv/deep/report", "--from", "monday")
            #expect(restored.code == 0, "\(restored)")

            let seen = try await host.dish(
                "exec", "past", "--", "sh", "-c", "cat /srv/deep/report; stat -c '%u:%g %a' /srv/deep/report")
            #expect(seen.text == "precious\n1000:1000 640", "\(seen)")

            // What lies between two moments, in either direction.
            let change = try await host.dish("diff", "past", "monday", "tuesday").output
            #expect(
                change.contains("- /srv/deep/report") && change.contains("+ /srv/new")
                    && change.contains("3 removed; 2 B written"),
                "\(change)")
            #expect(try await host.dish("diff", "past", "tuesday", "monday").output.contains("+ /srv/deep/report"))
            let counts = try await host.dish("history", "past", "--changes")
            #expect(counts.code == 0 && counts.output.contains("REMOVED"), "\(counts)")
            // Of the image too, and what isn't anywhere.
            #expect(try await host.dish("restore", "past", "/etc/motd", "--from", "image").code == 0)
            #expect(try await host.dish("exec", "past", "--", "test", "-f", "/etc/motd").code == 0)
            let missing = try await host.dish("restore", "past", "/srv/nothing", "--from", "monday")
            #expect(missing.code == 1 && missing.errors.contains("dish history"), "\(missing)")
            let never = try await host.dish("restore", "past", "/srv/new", "--from", "sunday")
            #expect(never.code == 1 && never.errors.contains("monday, tuesday"), "\(never)")
        }
    }

    @Test func linksLeadOutOfNeitherTree() async throws {
        try await Streams.withPools { pools in
            let pool = pools[0]
            _ = try pool.createVolume("v", size: nil)
            let data = pool.data(ofVolume: "v")
            let outside = try Scratch.make("outside")
            try Files.replace("\(outside)/secret", with: "secret".utf8)
            try Files.makeDirectories("\(data)/d/sub")
            try Files.replace("\(data)/d/file", with: "content".utf8)
            try Files.replace("\(data)/d/sub/file", with: "content".utf8)
            symlink("/secret", "\(data)/link")
            symlink(outside, "\(data)/way")
            mkfifo("\(data)/d/pipe", 0o600)
            _ = "value".withCString { dish_setxattr("\(data)/d/file", "user.name", $0, 5, 0) }
            _ = try pool.snapshotVolume("v", as: "s")
            let volume = Timeline.volume("v")

            // Through a link in the snapshot there is nothing.
            #expect(throws: PoolError.self) { try pool.restore("/way/secret", in: volume, from: "s") }
            for path in ["/d/../../x", "/", "", "..", "/./d"] {
                #expect(throws: PoolError.self) { try pool.restore(path, in: volume, from: "s") }
            }
            // A link that somebody put into the way now isn't followed either.
            try Files.removeTree("\(data)/d")
            symlink(outside, "\(data)/d")
            #expect(throws: PoolError.self) { try pool.restore("/d/file", in: volume, from: "s") }
            #expect(throws: PoolError.self) { try pool.restore("/d", in: volume, from: "s") }
            #expect(try Files.list(outside) == ["secret"])
            unlink("\(data)/d")

            // A directory comes back with all in it; what has come since stays.
            try Files.makeDirectories("\(data)/d")
            try Files.replace("\(data)/d/since", with: "new".utf8)
            try Files.replace("\(data)/d/file", with: "changed".utf8)
            let result = try pool.restore("/d", in: volume, from: "s")
            #expect(result.path == "/d" && result.entries == 5 && result.bytes == 14)
            #expect(try Files.readText("\(data)/d/file") == "content" && Files.readText("\(data)/d/since") == "new")
            var value = [UInt8](repeating: 0, count: 16)
            #expect(dish_getxattr("\(data)/d/file", "user.name", &value, 16, 0) == 5)
            var status = stat()
            #expect(lstat("\(data)/d/pipe", &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
            // A link is restored as a link.
            unlink("\(data)/link")
            _ = try pool.restore("/link", in: volume, from: "s")
            #expect(lstat("\(data)/link", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
            #expect(try pool.changes(in: volume, from: "s", to: "now").map(\.path) == ["/d/since"])
            #expect(try Files.list(data).allSatisfy { !$0.hasPrefix(".dish-") })
            try pool.removeVolume("v")
        }
    }

    @Test func theBuildsOfAnImageAreFoundByAnyOfItsNamesWithWhatTheyChanged() async throws {
        struct Row: Decodable {
            struct Changes: Decodable {
                let changed: Int
                let written: UInt64
            }
            let label: String
            let changes: Changes?
        }
        try await Streams.withPools { pools in
            let pool = pools[0]
            var layers: [LayerID] = []
            for content in ["one", "another"] {
                let layer = try pool.makeLayer(on: nil, label: "//test:twice") { root in
                    try Files.replace("\(root)/file", with: content.utf8)
                }
                let number = Int64(layers.count + 1)
                var build = BuildRecord(
                    label: "//test:twice", key: "\(number)", inputs: [], parent: nil, root: "/", started: number)
                build.layer = layer
                try pool.add(build)
                layers.append(layer)
            }
            try pool.name("stable", layers[1])
            let host = try TestHost(pool: pool.path)
            for name in ["//test:twice", "stable", layers[0].hex] {
                let rows: [Row] = try decoded(try await host.dish("image", "history", name, "--changes", "--json"))
                #expect(rows.map(\.label) == ["//test:twice", "//test:twice"])
                #expect(rows.first?.changes?.changed == 1 && rows.first?.changes?.written == 7 && rows.last?.changes == nil)
                let moments = try await host.dish("history", "--image", name)
                #expect(moments.code == 0 && moments.output.matches(of: /build/).count == 2, "\(moments)")
            }
            let diff = try await host.dish("diff", "--image", "stable")
            #expect(diff.code == 0 && diff.output.contains("0 added, 1 changed, 0 removed; 7 B written, 3 B replaced"), "\(diff)")
            let unknown = try await host.dish("image", "history", "nothing")
            #expect(unknown.code == 1 && unknown.errors.contains("dish image ls"), "\(unknown)")
            // What came from elsewhere was built by nobody here.
            try pool.name(
                "pulled", pool.makeLayer(on: nil, label: "//else:where") { root in try Files.makeDirectories("\(root)/x") })
            #expect(try await host.dish("history", "--image", "pulled").output.contains("image"))
        }
    }
}
