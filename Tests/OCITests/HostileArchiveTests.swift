import CLinux
import Glibc
import Linux
import Testing

@testable import OCI

/// Entries that lie about where they belong, or want too much: refused, or kept inside the root.
@Suite struct HostileArchiveTests {
    private func refuses(_ word: String, _ fill: (TestArchive) throws -> Void) throws {
        let archive = try TestArchive()
        try fill(archive)
        let error = #expect(throws: OCIError.self) { try archive.unpack(limit: 64 << 20) }
        #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: ["../escaped", "a/../../escaped", "a/..", "..", "/../escaped"])
    func namesThatLeadOutAreRefused(_ name: String) throws {
        try refuses("leads out") { try $0.add(name, "x") }
        try refuses("leads out") {
            try $0.add("file", "x")
            try $0.add("link", .hardLink, link: name)
        }
    }

    @Test func absoluteNamesStayInside() throws {
        let archive = try TestArchive()
        try archive.add("/tmp/dish-oci-absolute", "x")
        try archive.add("//.//a/./b", "y")
        try archive.unpack()
        #expect(try Files.readText("\(archive.root)/tmp/dish-oci-absolute") == "x")
        #expect(try Files.readText("\(archive.root)/a/b") == "y")
        #expect(!Files.exists("/tmp/dish-oci-absolute"))
    }

    @Test func linksLeadNowhereOutside() throws {
        let outside = try TestArchive().root
        try Files.makeDirectories(outside)
        defer { try? Files.removeTree(outside) }
        let archive = try TestArchive()
        try archive.add(outside, .directory, mode: 0o755)
        try archive.add("absolute", .symbolicLink, link: outside)
        try archive.add("absolute/file", "x")
        try archive.add("relative", .symbolicLink, link: "../../../../../../../../\(outside)")
        try archive.add("relative/file", "y")
        // Over a link that leads out: the link goes, not what it leads to.
        try Files.replace("\(outside)/target", with: "kept".utf8, durable: false)
        try archive.add("target", .symbolicLink, link: "\(outside)/target")
        try archive.add("target", "replaced")
        try archive.unpack()
        #expect(try Files.list(outside) == ["target"])
        #expect(try Files.readText("\(outside)/target") == "kept")
        #expect(try Files.readText("\(archive.root)/\(outside)/file") == "y")
        #expect(try Files.readText("\(archive.root)/target") == "replaced")
    }

    @Test func hardLinksToWhatIsNotInTheImageAreRefused() throws {
        try refuses("not in the image") { try $0.add("link", .hardLink, link: "/etc/passwd") }
        try refuses("no file of the image") { try $0.add("link", .hardLink, link: "passwd") }
        try refuses("a hard link to the root") { try $0.add("link", .hardLink, link: "/") }
        // Through a link that leads out.
        try refuses("not in the image") {
            try $0.add("out", .symbolicLink, link: "/etc")
            try $0.add("link", .hardLink, link: "out/passwd")
        }
        // A link itself is what is linked, not what it leads to.
        let archive = try TestArchive()
        try archive.add("out", .symbolicLink, link: "/etc/passwd")
        try archive.add("link", .hardLink, link: "out")
        try archive.unpack()
        var status = stat()
        #expect(lstat("\(archive.root)/link", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }

    @Test func devicesOfTheHostAreRefusedOrLeftOut() throws {
        func device(_ path: String, _ kind: TarEntry.Kind, _ major: UInt32, _ minor: UInt32) -> TarEntry {
            var entry = TestArchive.entry(path, kind)
            (entry.major, entry.minor) = (major, minor)
            return entry
        }
        try refuses("leads out of a container") { try $0.writer.add(device("srv/disk", .blockDevice, 8, 0)) }
        try refuses("leads out of a container") { try $0.writer.add(device("mem", .characterDevice, 1, 1)) }
        try refuses("leads out of a container") { try $0.writer.add(device("dev", .blockDevice, 8, 0)) }
        let archive = try TestArchive()
        try archive.writer.add(device("dev/sda", .blockDevice, 8, 0))
        #expect(try archive.unpack().skipped == ["/dev/sda"])
        #expect(!Files.exists("\(archive.root)/dev/sda"))
    }

    @Test func setIDBitsAreKept() throws {
        let archive = try TestArchive()
        try archive.add(TestArchive.entry("su", .file, mode: 0o4755), [])
        try archive.unpack()
        var status = stat()
        #expect(stat("\(archive.root)/su", &status) == 0 && status.st_mode == S_IFREG | 0o4755)
    }

    @Test func oddNamesAreNames() throws {
        let archive = try TestArchive()
        let long = String(repeating: "n", count: 255)
        try archive.add("line\nbreak", "1")
        try archive.add(long, "2")
        try archive.add(TarEntry(path: [0xff, 0xfe, UInt8(ascii: "x")], kind: .fifo, user: getuid(), group: getgid()), [])
        try archive.unpack()
        #expect(try Files.readText("\(archive.root)/line\nbreak") == "1")
        #expect(try Files.readText("\(archive.root)/\(long)") == "2")
        #expect(try Files.list(archive.root).count == 3)
        try refuses("of which a file system takes 255") { try $0.add(long + "n", "x") }
        try refuses("a name of") { try $0.add(String(repeating: "d/", count: 2100) + "x", "x") }
    }

    @Test func deepDirectoriesAreRefusedBeforeTheyAreMade() throws {
        try refuses("directories deep") { try $0.add(String(repeating: "d/", count: 1000) + "x", "x") }
        let archive = try TestArchive()
        try archive.add(String(repeating: "d/", count: 300) + "x", "x")
        try archive.unpack()
    }

    @Test func bombsEndEarly() async throws {
        try refuses("unpacks to more than") { archive in
            var entry = TestArchive.entry("zeros", .file)
            entry.size = 100 << 20
            try archive.writer.add(entry)
            let block = [UInt8](repeating: 0, count: 1 << 20)
            for _ in 0..<100 { try archive.add(raw: block) }
        }
        // A megabyte that wants to be a thousand.
        let bomb = try TestArchive()
        let made = try await Command(
            "/bin/sh",
            ["-c", "cd \(bomb.root) && truncate -s 1000M zeros && tar -cf - zeros | gzip -1 > ../$(basename \(bomb.root)).gz"]
        ).run()
        #expect(made.status.isSuccess)
        defer { unlink(bomb.root + ".gz") }
        let target = try TestArchive().root
        try Files.makeDirectories(target)
        defer { try? Files.removeTree(target) }
        await #expect(throws: OCIError.self) {
            try await Compression.gzip.read(bomb.root + ".gz") { try LayerUnpacker(root: target).unpack($0, limit: 64 << 20) }
        }
    }

    @Test func hugeHeadersAreRefused() throws {
        try refuses("an extended header of") { archive in
            var entry = TestArchive.entry("x", .file)
            entry.attributes = [(Array("user.huge".utf8), [UInt8](repeating: 1, count: 2 << 20))]
            try archive.writer.add(entry)
        }
    }

    @Test func hugeAttributesAreRefusedAndThoseOfTheHostLeftOut() throws {
        try refuses("of which a file system takes") { archive in
            var entry = TestArchive.entry("x", .file)
            entry.attributes = [(Array("user.large".utf8), [UInt8](repeating: 1, count: 65_000))]
            try archive.add(entry, [])
        }
        let archive = try TestArchive()
        var entry = TestArchive.entry("x", .file)
        let names = [
            "security.selinux", "security.ima", "system.posix_acl_access", "trusted.overlay.opaque", "btrfs.compression",
        ]
        entry.attributes = names.map { (Array($0.utf8), Array("value".utf8)) }
        try archive.add(entry, [])
        try archive.unpack()
        var list = [CChar](repeating: 0, count: 4096)
        let length = dish_listxattr("\(archive.root)/x", &list, 4096, 0)
        let found = String(decoding: list.prefix(max(0, Int(length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        #expect(!names.contains { found.contains($0) }, "\(found)")
    }

    @Test func whiteoutsHideLowerLayersOnly() throws {
        let archive = try TestArchive()
        let root = archive.root
        for directory in ["gone/below", "opaque/lower", "both"] { try Files.makeDirectories("\(root)/\(directory)") }
        for file in ["file", "gone/below/x", "opaque/old", "opaque/lower/x", "both/old", "kept"] {
            try Files.replace("\(root)/\(file)", with: "lower".utf8, durable: false)
        }
        try archive.add("opaque/early", "upper")
        try archive.add("opaque/.wh..wh..opq", "")
        try archive.add("opaque/late", "upper")
        try archive.add(".wh.file", "")
        try archive.add(".wh.gone", "")
        try archive.add(".wh.never", "")
        try archive.add("no/such/.wh.x", "")
        try archive.add("both/new", "upper")
        try archive.add(".wh.both", "")
        try archive.add(".wh..wh.plnk", "")
        try archive.unpack()
        #expect(try Files.list(root) == ["both", "kept", "opaque"])
        #expect(try Files.list("\(root)/opaque") == ["early", "late"])
        #expect(try Files.list("\(root)/both") == ["new"])
        for name in [".wh..", ".wh...", ".wh."] { try refuses("whiteout") { try $0.add(name, "") } }
    }
}
