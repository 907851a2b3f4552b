import Glibc
import Linux

/// That a test of an image has passed. Each test that did leaves one in `<pool>/tests/<label>/`, until it fails.
public struct TestRecord: Sendable, Codable {
    /// What was tested, and how.
    public let key: String
    /// How long it took.
    public let seconds: Double

    public init(key: String, seconds: Double) {
        self.key = key
        self.seconds = seconds
    }
}

extension Pool {
    /// How a test last passed; nil when it hasn't.
    public func testRecord(of label: String, _ test: String) throws -> TestRecord? {
        let path = file(ofTest: test, of: label)
        return Files.exists(path) ? try StateFile.read(TestRecord.self, path) : nil
    }

    /// Remembers that a test has passed.
    public func record(_ record: TestRecord, of label: String, _ test: String) throws {
        let path = file(ofTest: test, of: label)
        try Files.makeDirectories(Files.parent(of: path), mode: 0o700)
        try StateFile.write(record, path, durable: false)
    }

    /// Remembers nothing of a test.
    public func forgetTest(of label: String, _ test: String) throws {
        let path = file(ofTest: test, of: label)
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
    }

    private func file(ofTest test: String, of label: String) -> String {
        "\(path)/tests/\(Self.encode(label))/\(Self.encode(test)).json"
    }
}
