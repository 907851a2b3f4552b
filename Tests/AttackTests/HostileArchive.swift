import CLinux
import Fixtures
import Glibc
import Layers
import Linux

@testable import OCI

/// An image of one layer in the format docker-archive, made entry by entry.
final class HostileArchive {
    private let folder: String
    private let file: OwnedFD
    private let writer: TarWriter

    init() throws {
        folder = try Scratch.make("archive")
        file = try OwnedFD.open("\(folder)/layer.tar", O_RDWR | O_CREAT)
        writer = TarWriter(file.number)
    }

    func add(_ path: String, _ kind: TarEntry.Kind, link: String = "", mode: UInt32 = 0o755) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: kind, mode: mode)
        entry.link = Array(link.utf8)
        try writer.add(entry)
    }

    func add(_ path: String, _ content: String) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: .file)
        entry.size = UInt64(content.utf8.count)
        try writer.add(entry)
        var bytes = Array(content.utf8)
        try bytes.withUnsafeMutableBytes { try writer.write(UnsafeRawBufferPointer($0)) }
        try writer.pad(entry.size)
    }

    func add(device path: String, _ kind: TarEntry.Kind, _ major: UInt32, _ minor: UInt32) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: kind, mode: 0o666)
        (entry.major, entry.minor) = (major, minor)
        try writer.add(entry)
    }

    /// A file of so many bytes, of which only the last are there.
    func add(hole path: String, size: UInt64) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: .file)
        entry.size = size
        entry.regions = [TarEntry.Region(offset: size - 512, length: 512)]
        try writer.add(entry)
        try add(raw: [UInt8](repeating: 1, count: 512))
    }

    func add(raw bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try writer.write($0) } }

    /// An entry whose PAX header has many records.
    func add(records count: Int) throws {
        var entry = TarEntry(path: Array("srv/attributes".utf8), kind: .file)
        entry.attributes = (0..<count).map { (Array("user.a\($0)".utf8), Array("x".utf8)) }
        try writer.add(entry)
    }

    /// A directory with a shell and what a root needs to be run.
    func addSystem() throws {
        for path in ["bin", "etc", "dev", "proc", "sys", "run", "tmp", "srv", "usr", "var"] { try add(path, .directory) }
        let busybox = try Files.read("/bin/busybox")
        var entry = TarEntry(path: Array("bin/busybox".utf8), kind: .file, mode: 0o755)
        entry.size = UInt64(busybox.count)
        try writer.add(entry)
        try add(raw: busybox)
        try writer.pad(entry.size)
        try add("bin/sh", .symbolicLink, link: "busybox")
    }

    /// Writes the image and returns what `dish image import` takes.
    func finish(tag: String = "hostile:1") async throws -> String {
        let digest = try writer.finish()
        try Files.replace(
            "\(folder)/config.json",
            with: """
                {"architecture":"\(Self.architecture)","os":"linux","config":{"Cmd":["/bin/sh","-c","echo ran"]},\
                "rootfs":{"type":"layers","diff_ids":["\(digest)"]}}
                """.utf8, durable: false)
        try Files.replace(
            "\(folder)/manifest.json",
            with: "[{\"Config\":\"config.json\",\"RepoTags\":[\"\(tag)\"],\"Layers\":[\"layer.tar\"]}]".utf8,
            durable: false)
        let packed = try await Command(
            "/bin/tar", ["-C", folder, "-cf", "\(folder)/image.tar", "manifest.json", "config.json", "layer.tar"]
        ).run()
        guard packed.status.isSuccess else { throw FixtureError("pack: \(packed.errorText)") }
        return "docker-archive:\(folder)/image.tar"
    }

    #if arch(x86_64)
        private static let architecture = "amd64"
    #else
        private static let architecture = "arm64"
    #endif
}
