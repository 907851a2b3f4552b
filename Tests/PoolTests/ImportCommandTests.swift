import Btrfs
import CLinux
import Fixtures
import Foundation
import Glibc
import Layers
import Linux
import Testing

extension Streams {
    /// Root file systems come in through `dish image import`, whatever is in them and in their places (docs/registry.md).
    @Suite struct ImportCommandTests {
        private struct Row: Decodable {
            let id: String
            let names: [String]
            let size: Int64
        }

        /// A pool with one place for sources in it, and a tree that leads out of itself.
        private func use(_ body: (_ host: TestHost, _ pool: Pool, _ place: String) async throws -> Void) async throws {
            try await Streams.withPools { pools in
                let host = try TestHost(pool: pools[0].path)
                let place = try Scratch.make("sources")
                let root = "\(pools[0].path)/root"
                try Subvolume.create(root)
                for directory in ["etc", "dev", "srv"] { try Files.makeDirectories("\(root)/\(directory)") }
                try Files.replace("\(root)/etc/file", with: "inside".utf8)
                #expect(symlink("/etc/hostname", "\(root)/etc/out") == 0 && symlink("../../../../../..", "\(root)/srv/up") == 0)
                #expect(mkfifo("\(root)/etc/pipe", 0o600) == 0)
                #expect(mknod("\(root)/dev/disk", S_IFBLK | 0o600, dev_t(dish_makedev(8, 0))) == 0)
                #expect(mknod("\(root)/dev/null", S_IFCHR | 0o666, dev_t(dish_makedev(1, 3))) == 0)
                try Subvolume.snapshot(root, to: "\(pools[0].path)/closed", readOnly: true)
                let made = try await Command(
                    "/bin/sh",
                    [
                        "-ec",
                        "tar -C \(root) -cf \(place)/tar . && zstd -q \(place)/tar && btrfs send -q \(pools[0].path)/closed > \(place)/stream",
                    ]
                ).run()
                try #require(made.status.isSuccess, "\(made.errorText)")
                try await body(host, pools[0], place)
            }
        }

        @Test func eachSourceGivesTheSameTree() async throws {
            try await use { host, pool, place in
                var ids: [String: String] = [:]
                for source in [
                    "dir:\(pool.path)/root", "subvolume:\(pool.path)/root", "subvolume:\(pool.path)/closed", "tar:\(place)/tar",
                    "tar:\(place)/tar.zst", "stream:\(place)/stream",
                ] {
                    let name = "image\(ids.count)"
                    let made = try await host.dish("image", "import", source, "--name", name, "--json")
                    try #require(made.code == 0, "\(source): \(made)")
                    let row = try JSONDecoder().decode(Row.self, from: Data(made.output.utf8))
                    #expect(row.names.contains(name) && row.size == 6, "\(source): \(row)")
                    #expect(made.errors.contains("devices left out: /dev/disk"), "\(source): \(made)")
                    ids[source] = row.id
                    let root = pool.root(of: try #require(LayerID(row.id)))
                    var status = stat()
                    #expect(lstat("\(root)/etc/pipe", &status) == 0 && status.st_mode & S_IFMT == S_IFIFO, "\(source)")
                    #expect(lstat("\(root)/etc/out", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK, "\(source)")
                    #expect(lstat("\(root)/srv/up", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK, "\(source)")
                    #expect(Files.exists("\(root)/dev/null") && !Files.exists("\(root)/dev/disk"), "\(source)")
                }
                // An archive of tar has whole seconds alone.
                #expect(Set(ids.filter { !$0.key.hasPrefix("tar:") }.values).count == 1, "\(ids)")
                #expect(Set(ids.filter { $0.key.hasPrefix("tar:") }.values).count == 1, "\(ids)")
                // What came in goes out, and comes back.
                let out = try await host.dish("image", "export", "image0", "oci:\(place)/layout:x")
                try #require(out.code == 0, "\(out)")
                let back = try await host.dish("image", "import", "oci:\(place)/layout:x", "--json")
                #expect(
                    try JSONDecoder().decode(Row.self, from: Data(back.output.utf8)).id == ids["dir:\(pool.path)/root"], "\(back)"
                )
            }
        }

        /// None of them waits for a writer, reads without end or leaves something.
        @Test func whatIsNoSourceIsRefused() async throws {
            try await use { host, pool, place in
                #expect(mkfifo("\(place)/pipe", 0o600) == 0)
                try Files.replace("\(place)/file", with: "no archive".utf8)
                let bytes = try Files.read("\(place)/stream")
                try Files.replace("\(place)/short", with: bytes.prefix(bytes.count / 2))
                try Files.replace("\(place)/more", with: bytes + bytes.prefix(20))
                // An archive whose one member says that it is 8 EiB large.
                let endless = """
                    import tarfile, io
                    t = tarfile.TarInfo("big"); t.size = (1 << 63) - 1
                    open("\(place)/endless", "wb").write(t.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
                    t = tarfile.TarInfo("../../outside"); t.size = 1
                    l = tarfile.TarInfo("link"); l.type = tarfile.SYMTYPE; l.linkname = "/"
                    u = tarfile.TarInfo("link/\(place.dropFirst())/written"); u.size = 1
                    open("\(place)/up", "wb").write(t.tobuf() + b"x" + bytes(511) + l.tobuf() + u.tobuf() + b"x" + bytes(511) + bytes(1024))
                    """
                let made = try await Command("/usr/bin/python3", ["-c", endless]).run()
                try #require(made.status.isSuccess, "\(made.errorText)")
                let layers = try pool.allLayers().count
                for (source, reason) in [
                    ("dir:\(place)/pipe", "is no directory"), ("dir:\(place)/file", "is no directory"),
                    ("dir:/dev/null", "is no directory"), ("dir:\(place)/nothing", "No such file"), ("dir:", "names no place"),
                    ("tar:\(place)/pipe", "is no regular file"), ("tar:/dev/zero", "is no regular file"),
                    ("tar:\(place)", "is no regular file"), ("tar:\(place)/file", "archive"), ("tar:\(place)/endless", "big"),
                    ("tar:\(place)/up", "outside"),
                    ("stream:\(place)/pipe", "is no regular file"), ("stream:/dev/zero", "is no regular file"),
                    ("stream:\(place)/file", "stream"), ("stream:\(place)/short", "cut short"),
                    ("stream:\(place)/more", "cut short"),
                    ("subvolume:\(place)", "is no Btrfs subvolume"), ("subvolume:\(place)/pipe", "is no Btrfs subvolume"),
                    ("subvolume:/proc", "is no Btrfs subvolume"), ("stream:-", "cut short"),
                ] {
                    let outcome = try await host.dish("image", "import", source, "--name", "refused")
                    #expect(outcome.code == 1 && outcome.errors.contains(reason), "\(source): \(outcome)")
                    #expect(try pool.allNames()["refused"] == nil, "\(source)")
                }
                // The name is looked at first.
                for name in ["two words", "", String(repeating: "x", count: 300)] {
                    let outcome = try await host.dish("image", "import", "dir:\(pool.path)/root", "--name", name)
                    #expect(outcome.code != 0 && !outcome.errors.contains("copy"), "\(outcome)")
                }
                #expect(!Files.exists("\(place)/written"))
                #expect(try pool.allLayers().count <= layers + 1 && pool.stagingEntries == [])
            }
        }
    }
}
