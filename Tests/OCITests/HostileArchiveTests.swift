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

    @Test func devicesOfTheHostAreLeftOut() throws {
        func device(_ path: String, _ kind: TarEntry.Kind, _ major: UInt32, _ minor: UInt32) -> TarEntry {
            var entry = TestArchive.entry(path, kind)
            (entry.major, entry.minor) = (major, minor)
            return entry
        }
        let archive = try TestArchive()
        try archive.add("file", "x")
        for number in 0..<20 { try archive.writer.add(device("dev/sd\(number)", .blockDevice, 8, UInt32(number))) }
        try archive.writer.add(device("srv/disk", .blockDevice, 8, 0))
        try archive.writer.add(device("mem", .characterDevice, 1, 1))
        // What it takes the place of is gone, and so are further names of it.
        try archive.writer.add(device("file", .characterDevice, 10, 232))
        try archive.add("again", .hardLink, link: "mem")
        try archive.add("srv/back", .hardLink, link: "again")
        try archive.add("srv/disk", "a file again")
        try archive.add("other", .hardLink, link: "srv/disk")
        let leftOut = try archive.unpack().leftOut
        #expect(leftOut.count == 25 && leftOut.paths == (0..<10).map { "/dev/sd\($0)" })
        #expect("\(leftOut)".hasSuffix("/dev/sd9 and 15 more"))
        #expect(try Files.list(archive.root) == ["dev", "other", "srv"] && Files.list("\(archive.root)/srv") == ["disk"])
        #expect(try Files.list("\(archive.root)/dev") == [] && Files.readText("\(archive.root)/other") == "a file again")
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
        // A byte in each of many blocks, all of which must be read.
        try refuses("unpacks to more than") { archive in
            var entry = TestArchive.entry("sparse", .file)
            entry.regions = (0..<1500 as Range<UInt64>).map { .init(offset: $0 << 16, length: 1) }
            entry.size = 1500 << 16
            try archive.add(entry, [UInt8](repeating: 1, count: 1500))
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

    /// One record: `LENGTH KEY=VALUE` and the end of the line.
    private func record(_ key: String, _ value: Int) -> [UInt8] {
        let rest = Array(" \(key)=".utf8) + [UInt8](repeating: UInt8(ascii: "v"), count: value) + [10]
        var length = rest.count + 1
        while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
        return Array(String(length).utf8) + rest
    }

    private func header(_ type: Character, _ body: [UInt8], _ archive: TestArchive) throws {
        let made = try TestArchive()
        var entry = TestArchive.entry("header", .file)
        entry.size = UInt64(body.count)
        try made.add(entry, body)
        var bytes = try made.bytes()
        bytes[156] = type.asciiValue ?? 0
        let sum = bytes[..<512].enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
        let digits = Array(String(sum, radix: 8).utf8)
        bytes.replaceSubrange(148..<156, with: [UInt8](repeating: 48, count: 6 - digits.count) + digits + [0, 32])
        try archive.add(raw: bytes)
    }

    @Test func headersThatNobodyNeedsAreRefusedEarly() throws {
        // Any number of them before one entry.
        try refuses("for one entry") { archive in
            for _ in 0..<20 { try header("x", record("comment", 100_000), archive) }
        }
        try refuses("for one entry") { archive in
            for _ in 0..<2100 { try header("L", Array("name".utf8), archive) }
        }
        // Each with the most that it may have.
        try refuses("of extended headers for") { archive in
            let body = record("comment", 1_000_000)
            for number in 0..<40 {
                try header("x", body, archive)
                try archive.add("\(number)", "")
            }
        }
        try refuses("global header sets attributes") { try header("g", record("SCHILY.xattr.user.x", 10), $0) }
        try refuses("global headers of more than") { archive in
            for number in 0..<8 {
                try header("g", record("key\(number)", 15_000), archive)
                try archive.add("\(number)", "")
            }
        }
        try refuses("attributes of one file") { archive in
            try header("x", (0..<30_000).flatMap { record("SCHILY.xattr.user.\($0)", 1) }, archive)
            try archive.add("file", "")
        }
        // The last one of a key holds.
        let archive = try TestArchive()
        for _ in 0..<100 {
            try header("g", record("comment", 10_000), archive)
            try archive.add("file", "x")
        }
        #expect(try archive.entries().count == 100)
    }

    @Test func directoriesThatNothingListsCount() throws {
        let archive = try TestArchive()
        for number in 0..<20 { try archive.add("\(number)/" + String(repeating: "d/", count: 99) + "x", "") }
        _ = try archive.writer.finish()
        lseek(archive.number, 0, SEEK_SET)
        let unpacker = try LayerUnpacker(root: archive.root)
        let error = #expect(throws: OCIError.self) {
            try unpacker.unpack(archive.number, ArchiveLimits(bytes: 1 << 30, entries: 1000))
        }
        #expect(error?.description.contains("doesn't list") == true)
    }

    @Test func readingEndsWhenItIsCancelled() async throws {
        let archive = try TestArchive()
        try archive.add("file", "x")
        _ = try archive.writer.finish()
        lseek(archive.number, 0, SEEK_SET)
        let cancellation = Cancellation()
        cancellation.cancel()
        #expect(throws: CancellationError.self) {
            try Cancellation.joining(cancellation) {
                try LayerUnpacker(root: archive.root).unpack(archive.number, limit: 1 << 20)
            }
        }
        // A task that waits for a thread tells it.
        let task = Task {
            try await blocking { while true { try Cancellation.check() } }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func whatIsNoFileIsNotOpenedAsABlob() throws {
        let archive = try TestArchive()
        #expect(mkfifo("\(archive.root)/pipe", 0o600) == 0)
        // The kernel opens no socket, and says so: an error of another type shows that opening one was tried.
        let socket = OwnedFD(adopting: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "\(archive.root)/socket".utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket.number, $0, length) }
        }
        #expect(bound == 0 && symlink("\(archive.root)/socket", "\(archive.root)/link") == 0)
        for path in ["\(archive.root)/pipe", "/dev/zero", archive.root, "\(archive.root)/socket", "\(archive.root)/link"] {
            #expect(throws: OCIError.self, "\(path)") { try BlobFile.read(path) }
        }
    }

    @Test func windowsThatAreUsualAreRead() async throws {
        let folder = try TestArchive().root
        try Files.makeDirectories(folder)
        defer { try? Files.removeTree(folder) }
        for (window, isRead) in [(27, true), (28, false)] {
            let path = "\(folder)/\(window).zst"
            let made = try await Command("/bin/sh", ["-c", "head -c 5000 /dev/zero | zstd -q --long=\(window) -c > \(path)"])
                .run()
            try #require(made.status.isSuccess, "\(made.errorText)")
            let count = try? await Compression.zstd.read(path) { try Files.read(OwnedFD(adopting: dup($0)), path).count }
            #expect(count == (isRead ? 5000 : nil), "\(window)")
        }
    }

    @Test func limitsGoWithTheSizeOfAnArchive() {
        #expect(ArchiveLimits(stored: 1 << 20, room: .max).bytes == 8 << 30 + 256 << 20)
        let largest = ArchiveLimits(stored: .max, room: 1000)
        #expect(largest.bytes == 1000 && largest.entries == 500_000 + 1 << 36 && largest.directoryBytes == 256 << 20)
        // 350,000 directories with paths of a hundred bytes.
        #expect(ArchiveLimits(stored: 8 << 20, room: .max).directoryBytes > 350_000 * 100)
    }

    @Test func hugeHeadersAreRefused() throws {
        try refuses("extended headers of") { archive in
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

    /// Deeper than descriptors reach, through links to where the last one ended.
    @Test func treesThatAreTooDeepToNameAreRemovedAndNotCopied() throws {
        let archive = try TestArchive()
        let below = Array(repeating: "d", count: 300).joined(separator: "/")
        try archive.add("top/\(below)", .directory, mode: 0o755)
        try archive.add("l0", .symbolicLink, link: "top/\(below)")
        for level in 1..<5 {
            try archive.add("l\(level - 1)/\(below)", .directory, mode: 0o755)
            try archive.add("l\(level)", .symbolicLink, link: "l\(level - 1)/\(below)")
        }
        try archive.unpack()
        let sink = try OwnedFD.open("/dev/null", O_WRONLY)
        let packer = TreePacker(to: sink.number, firstID: 0)
        let error = #expect(throws: OCIError.self) {
            try packer.add(OwnedFD.open(archive.root, DISH_O_PATH | O_DIRECTORY), as: "")
        }
        #expect(error?.description.contains("deep") == true)
        let root = try ImageRoot(archive.root)
        try ImageRoot.remove(Array("top".utf8), in: root.directory.number)
        #expect(!Files.exists("\(archive.root)/top"))
    }

    @Test func whiteoutsReachIntoWhatTheLayerHasPutThere() throws {
        let archive = try TestArchive()
        for directory in ["a/b/c", "a/b/gone"] { try Files.makeDirectories("\(archive.root)/\(directory)") }
        try Files.replace("\(archive.root)/a/b/c/old", with: "lower".utf8, durable: false)
        try archive.add("a/b/c/new", "upper")
        try archive.add(".wh.a", "")
        try archive.unpack()
        #expect(try Files.list("\(archive.root)/a/b") == ["c"])
        #expect(try Files.list("\(archive.root)/a/b/c") == ["new"])
    }
}
