import Glibc
import Linux
import Testing

@testable import OCI

/// What archives are compressed with is seen from their bytes, and that one can't be decompressed is told before what comes of it.
@Suite final class CompressionTests {
    private let directory: String

    init() throws {
        var template = Array("/tmp/dish-compression-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? Files.removeTree(directory) }

    private static let text = String(repeating: "content that compresses\n", count: 5000)

    private func shell(_ script: String) async throws {
        let result = try await Command("/bin/sh", ["-ec", "cd \(directory)\n" + script]).run()
        guard result.status.isSuccess else { throw OCIError(.program, "\(script): \(result.errorText)") }
    }

    private func read(_ name: String) async throws -> String {
        let path = "\(directory)/\(name)"
        let compression = try Compression(of: BlobFile(path).descriptor)
        return try await compression.read(path) { descriptor in
            String(decoding: try Files.read(OwnedFD(adopting: dup(descriptor)), "archive"), as: UTF8.self)
        }
    }

    /// A skippable frame, which zstd's tools for indexes write.
    private static func skippable(_ size: UInt8) -> [UInt8] {
        [0x5a, 0x2a, 0x4d, 0x18, size, 0, 0, 0] + [UInt8](repeating: 7, count: Int(size))
    }

    @Test func framesAndMembersAreOneArchive() async throws {
        try Files.replace("\(directory)/text", with: Self.text.utf8, durable: false)
        try await shell(
            """
            for n in gzip zstd xz bzip2; do $n -c text > $n.1; cat $n.1 $n.1 > $n.2; done
            head -c 4096 /dev/zero > zeros; cat gzip.1 zeros > padded
            """)
        for name in ["gzip", "zstd", "xz", "bzip2"] {
            #expect(try await read("\(name).1") == Self.text, "\(name)")
            #expect(try await read("\(name).2") == Self.text + Self.text, "\(name)")
        }
        #expect(try await read("padded") == Self.text)
        let frame = try Files.read("\(directory)/zstd.1")
        for (number, bytes) in [
            Self.skippable(0) + frame, Self.skippable(200) + Self.skippable(3) + frame + Self.skippable(9),
            frame + Self.skippable(40),
        ].enumerated() {
            try Files.replace("\(directory)/skip.\(number)", with: bytes, durable: false)
            #expect(try await read("skip.\(number)") == Self.text, "\(number)")
        }
        try Files.replace("\(directory)/skip.only", with: Self.skippable(200), durable: false)
        #expect(try await read("skip.only") == "")
        // What only begins so isn't one.
        try Files.replace("\(directory)/plain", with: Self.skippable(4) + Array("more".utf8), durable: false)
        let compression = try Compression(of: BlobFile("\(directory)/plain").descriptor)
        guard case .none = compression else { return #expect(Bool(false), "\(compression)") }
    }

    @Test(arguments: ["gzip", "zstd", "xz", "bzip2"]) func theDecompressorsFailureComesFirst(_ program: String) async throws {
        let archive = try TestArchive()
        var entry = TestArchive.entry("file", .file)
        entry.size = 1 << 20
        var generator = SystemRandomNumberGenerator()
        let content = (0..<1 << 17).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
        try archive.add(entry, content)
        let digest = try archive.writer.finish()
        try Files.replace("\(directory)/layer.tar", with: archive.bytes(), durable: false)
        try await shell("\(program) -c layer.tar > whole; head -c 600000 whole > short")
        try await shell("cp whole damaged; printf 'damage here' | dd of=damaged bs=1 seek=500000 conv=notrunc status=none")
        for name in ["short", "damaged"] {
            let path = "\(directory)/\(name)"
            let root = "\(directory)/root-\(name)"
            try Files.makeDirectories(root)
            let compression = try Compression(of: BlobFile(path).descriptor)
            let error = await #expect(throws: OCIError.self) {
                _ = try await compression.read(path) { descriptor in
                    guard try LayerUnpacker(root: root).unpack(descriptor, limit: 1 << 30) == digest else {
                        throw OCIError(.damaged, "a layer's archive has the digest of something else")
                    }
                }
            }
            let text = error?.description ?? ""
            #expect(
                text.contains("decompress") && text.contains("\(program) failed") && !text.contains("digest"), "\(name): \(text)")
        }
    }

    /// What is wrong with the archive itself is told, however the decompressor ends when nobody reads on.
    @Test func anArchivesOwnFaultIsToldAsThat() async throws {
        try await shell("head -c 50000000 /dev/zero | tr '\\0' x | gzip -1 > text.gz; head -c 100 text.gz > begun.gz")
        let (path, root) = ("\(directory)/text.gz", directory)
        let error = await #expect(throws: OCIError.self) {
            _ = try await Compression.gzip.read(path) { descriptor in
                try LayerUnpacker(root: root).unpack(descriptor, limit: 1 << 30)
            }
        }
        #expect(
            error?.description.contains("header") == true && error?.description.contains("gzip") == false,
            "\(error?.description ?? "")")
    }
}
