import FoundationEssentials
import Linux

/// Images, archives and registries' answers as programs of many kinds write them (image_corpus.py), and what is to come of each.
public final class ImageCorpus: Sendable {
    public struct Case: Decodable, Sendable {
        public let name: String
        /// What `dish image import` is told.
        public let source: String
        /// A part of the message when it has to be refused.
        public let fails: String?
        /// A part of a warning.
        public let warns: String?
        /// All cases with the same word are the same image.
        public let same: String?
        /// What is in the image: text of files, targets of links with `@` before them, nil for nothing.
        public let tree: [String: String?]?
        /// A command to run in it; empty for the image's own.
        public let run: [String]?
        /// What that prints, and its exit code.
        public let prints: String?
        public let code: Int?
    }

    public let cases: [Case]
    public let directory: String
    private let server: PythonServer

    public init() async throws {
        directory = try Scratch.make("corpus")
        let port = try FreePort.tcp()
        guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
        let script = "\(Programs.repository)/Tests/Fixtures/image_corpus.py"
        let made = try await Command(python, [script, directory, "\(port)"]).run()
        guard made.status.isSuccess else { throw FixtureError("image_corpus.py: \(made.errorText)") }
        cases = try JSONDecoder().decode([Case].self, from: Data(Files.read("\(directory)/cases.json")))
        server = try await PythonServer(
            "image_corpus.py", ["--serve", directory, "\(port)"], answersAt: "http://127.0.0.1:\(port)/v2/")
    }
}
