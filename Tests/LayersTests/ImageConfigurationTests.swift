import Glibc
import Linux
import Testing

@testable import Layers

/// The file comes with images of anybody's.
@Suite final class ImageConfigurationTests {
    private let root: String

    init() throws {
        var template = Array("/tmp/dish-configuration-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try Files.makeDirectories("\(root)/usr/lib/dish")
    }

    deinit { try? Files.removeTree(root) }

    private var path: String { root + ImageConfiguration.path }

    @Test func whatIsWrittenIsRead() throws {
        #expect(try ImageConfiguration.read(root: root) == ImageConfiguration())
        var configuration = ImageConfiguration()
        (configuration.user, configuration.exposedPorts) = ("keeper:staff", ["80/tcp"])
        try Files.replace(path, with: configuration.encoded(), durable: false)
        #expect(try ImageConfiguration.read(root: root) == configuration)
    }

    @Test func whatNeverEndsIsNotRead() throws {
        mkfifo(path, 0o644)
        #expect(throws: PoolError.self) { try ImageConfiguration.read(root: self.root) }
        unlink(path)
        try Files.replace(path, with: [], durable: false)
        truncate(path, 1 << 40)
        #expect(throws: PoolError.self) { try ImageConfiguration.read(root: self.root) }
    }

    @Test func aLinkOutOfTheImageIsNotFollowed() throws {
        symlink("/etc/hostname", path)
        #expect(try ImageConfiguration.read(root: root) == ImageConfiguration())
    }
}
