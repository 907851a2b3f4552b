import Glibc
import Linux
import Testing

@testable import OCI

@Suite struct TarTests {
    @Test func whatIsWrittenIsRead() throws {
        let archive = try TestArchive()
        var entries: [TarEntry] = []
        func add(_ entry: TarEntry, _ content: [UInt8] = []) throws {
            entries.append(entry)
            try archive.add(entry, content)
        }
        try add(TestArchive.entry("d/", .directory, mode: 0o1777))
        try add(TestArchive.entry("link", .symbolicLink, link: String(repeating: "t", count: 3000)))
        try add(TestArchive.entry("again", .hardLink, link: "d/file"))
        var device = TestArchive.entry("null", .characterDevice)
        (device.major, device.minor) = (1, 3)
        try add(device)
        try add(TestArchive.entry("pipe", .fifo))
        for time in [(Int64(-1), UInt32(500_000_000)), (-2, 0), (1 << 40, 1), (0, 999_999_999), (1_700_000_000, 120_000_000)] {
            var entry = TestArchive.entry("time \(time)\n\u{1}", .file)
            (entry.seconds, entry.nanoseconds) = time
            try add(entry)
        }
        for length in [99, 100, 101, 255, 3900] {
            var entry = TestArchive.entry("f/" + String(repeating: "n", count: length), .file, mode: 0o6755)
            (entry.user, entry.group) = (3_000_000_000, 2_097_152)
            entry.size = UInt64(length)
            entry.attributes = [(Array("security.capability".utf8), [0, 61, 10, 255]), (Array("user.b".utf8), [])]
            try add(entry, [UInt8](repeating: 7, count: length))
        }
        var sparse = TestArchive.entry("sparse", .file)
        sparse.size = 1 << 40
        sparse.regions = (0..<100).map { .init(offset: $0 << 30, length: 3) } + [.init(offset: 1 << 40, length: 0)]
        try add(sparse, [UInt8](repeating: 9, count: 300))
        let read = try archive.entries()
        #expect(read.count == entries.count)
        for (written, (found, content)) in zip(entries, read) {
            #expect(found == written)
            #expect(content.count == Int(written.regions.map { $0.reduce(0) { $0 + $1.length } } ?? written.size))
        }
    }

    /// GNU tar's own formats, sparse files in all four ways.
    @Test(arguments: [
        ["--format=gnu"], ["--format=ustar"], ["--format=posix"], ["--format=gnu", "--sparse"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"], ["--format=posix", "--sparse", "--sparse-version=0.1"],
        ["--format=posix", "--sparse", "--sparse-version=1.0"],
    ])
    func whatTarWritesIsUnpacked(_ options: [String]) async throws {
        let source = try TestArchive()
        let script = """
            cd \(source.root) && mkdir -p a/b && printf content > a/b/file && ln a/b/file a/second && ln -s b/file a/link
            mkfifo a/pipe && chmod 600 a/b/file && touch -d @1700000000.5 a/b/file
            for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
              printf "block $i" | dd of=a/holes bs=65536 seek=$((i * 3)) conv=notrunc status=none
            done
            truncate -s 20M a/holes
            \(options.contains("--format=ustar") ? "" : "mkdir -p a/\(String(repeating: "l", count: 200)) && echo deep > a/\(String(repeating: "l", count: 200))/x")
            tar \(options.joined(separator: " ")) -cf archive.tar a
            """
        let made = try await Command("/bin/sh", ["-ec", script]).run()
        try #require(made.status.isSuccess, "\(made.errorText)")
        let target = try TestArchive()
        let file = try OwnedFD.open("\(source.root)/archive.tar", O_RDONLY)
        _ = try LayerUnpacker(root: target.root).unpack(file.number, limit: 1 << 30)
        let compared = try await Command("/usr/bin/diff", ["--no-dereference", "-r", "\(source.root)/a", "\(target.root)/a"])
            .run()
        // What is no file is the same if it is a pipe on both sides, of which diff tells.
        #expect(
            compared.text.split(separator: "\n").allSatisfy { $0.contains("is a fifo") }, "\(compared.text)\(compared.errorText)")
        func status(_ path: String) -> stat {
            var status = stat()
            lstat(path, &status)
            return status
        }
        #expect(status("\(target.root)/a/second").st_ino == status("\(target.root)/a/b/file").st_ino)
        #expect(status("\(target.root)/a/b/file").st_mode == S_IFREG | 0o600)
        #expect(status("\(target.root)/a/b/file").st_mtim.tv_sec == 1_700_000_000)
        #expect(status("\(target.root)/a/holes").st_blocks < 20 * 2048 / 2, "holes stay holes")
    }

    @Test func aDamagedArchiveIsAnError() throws {
        let whole = try TestArchive()
        try whole.add("file", String(repeating: "x", count: 2000))
        let read = try whole.entries()
        #expect(read.count == 1)
        for garbage in [[UInt8](repeating: 1, count: 512), [UInt8](repeating: 1, count: 100)] {
            let archive = try TestArchive()
            try archive.add(raw: garbage)
            #expect(throws: OCIError.self) { try archive.unpack() }
        }
        // A file that ends too soon.
        let short = try TestArchive()
        var entry = TestArchive.entry("file", .file)
        entry.size = 1 << 20
        try short.writer.add(entry)
        #expect(throws: OCIError.self) { try short.unpack() }
        for record in [
            "40 mtime=-9223372036854775808.500000000\n", "5 a=b\n", "999 path=x\n", "12 size=abc\n", "x", "18 GNU.sparse.map=1\n",
        ] {
            #expect(throws: OCIError.self, "\(record)") {
                var entry = TestArchive.entry("x", .file)
                _ = try PAXRecords(Array(record.utf8)).apply(to: &entry)
            }
        }
    }

    /// Bytes at random places of an archive changed: an error or something unpacked, never a crash or an endless loop.
    @Test func noiseNeverCrashesTheReader() throws {
        let archive = try TestArchive()
        try archive.add("d/", .directory)
        try archive.add("d/" + String(repeating: "n", count: 300), "content")
        var sparse = TestArchive.entry("sparse", .file)
        (sparse.size, sparse.regions) = (1 << 20, [.init(offset: 4096, length: 100), .init(offset: 8192, length: 100)])
        try archive.add(sparse, [UInt8](repeating: 9, count: 200))
        _ = try archive.writer.finish()
        let bytes = try archive.bytes()
        for _ in 0..<3000 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...8) { changed[Int.random(in: 0..<changed.count)] = UInt8.random(in: 0...255) }
            let copy = try TestArchive()
            try copy.add(raw: changed)
            _ = try? copy.entries()
        }
    }
}
