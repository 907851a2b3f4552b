import Glibc
import Linux

/// A host's scheduler elsewhere, which says what a test tells it to (small_scheduler.py).
public final class SmallScheduler: Sendable {
    public let url: String
    private let directory: String
    private let server: PythonServer

    public init() async throws {
        let port = try FreePort.tcp()
        url = "http://127.0.0.1:\(port)/v1/heartbeat"
        directory = try Scratch.make("scheduler")
        server = try await PythonServer("small_scheduler.py", ["\(port)", directory], answersAt: url)
    }

    /// - Parameter answer: JSON, without the sequence; nil: it answers with errors from now on.
    public func answer(_ answer: String?) throws {
        guard let answer else {
            unlink("\(directory)/answer.json")
            return
        }
        try Files.replace("\(directory)/answer.json", with: answer.utf8, durable: false)
    }

    /// The last heartbeat, in JSON.
    public var last: String { (try? Files.readText("\(directory)/last.json")) ?? "" }
}
