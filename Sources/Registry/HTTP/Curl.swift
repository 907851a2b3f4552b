import CLinux
import FoundationEssentials
import Glibc
import Linux

/// One HTTP exchange, done by curl(1) in a process of its own.
///
/// The request with all its secrets goes to its standard input; the head of the answer and curl's own report come
/// back in memory files (descriptors 3 and 2), the body in a pipe.
struct Curl: Sendable {
    struct Options: Sendable {
        /// Seconds.
        var connectTimeout = 15
        /// Seconds in which next to nothing arrives, after which the exchange is given up.
        var stallTimeout = 30
        /// A file of certificates to trust beside the system's; nil for those alone.
        var authorities: String?
    }

    /// Takes the body of a successful answer, piece by piece.
    typealias Sink = @Sendable (HTTPHead, UnsafeRawBufferPointer) throws -> Void

    /// The exchange failed before an answer was whole.
    struct Failure: Error {
        /// curl's exit code.
        let code: Int
        let message: String

        /// Whether the next attempt may do better: no connection, no name, one that broke off or stalled.
        var isTransient: Bool { [5, 6, 7, 16, 18, 28, 52, 55, 56, 92, 95].contains(code) }
        /// Whether the server spoke something else than TLS.
        var isNoTLS: Bool { code == 35 }
    }

    /// A body that is collected may have so many bytes.
    static let bodyLimit = 8 << 20

    let options: Options

    /// - Parameter sink: nil to collect the body.
    /// - Throws: `Failure`; what the sink throws.
    func perform(_ request: HTTPRequest, sink: Sink?) async throws -> (response: HTTPResponse, redirect: String?) {
        guard let program = Executable.find("curl") else {
            throw RegistryError(.program, "cannot reach a registry: curl is not installed; install it: apt-get install curl")
        }
        let files = try Files(configuration: configuration(of: request), body: request.body)
        // `disable` comes first: no .curlrc of anybody's.
        var spawn = Spawn(program, Arguments().flag("disable").pair("config", "-"), environment: Self.environment)
        spawn.descriptors = [files.input.number, -1, files.report.number, files.head.number, files.body.number]
        let (body, status) = try await PipedCommand(spawn).read { try files.receive($0, sink) }
        let report = try? JSONDecoder().decode(Report.self, from: Data(files.content(of: files.report)))
        guard status.isSuccess else {
            let message = report?.errormsg ?? "curl ended with \(status)"
            throw Failure(code: Int(status.shellCode), message: message)
        }
        guard let head = try files.readHead() else { throw Failure(code: 52, message: "the answer has no head") }
        // Asked for a head, curl prints it where the body would be.
        let content = request.method == "HEAD" ? [] : body
        return (HTTPResponse(head: head, body: content, url: request.url), report?.redirect_url)
    }

    /// What curl says at its end (`--write-out %{json}`).
    private struct Report: Decodable {
        let errormsg: String?
        let redirect_url: String?
    }

    /// Proxies are the caller's choice; nothing else of the environment is passed on.
    private static var environment: [String: String] {
        var environment = Spawn.plainEnvironment
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }

    private func configuration(of request: HTTPRequest) throws -> String {
        var configuration = CurlConfiguration()
        for option in ["silent", "globoff", "path-as-is", "suppress-connect-headers"] { configuration.set(option) }
        try configuration.set("url", request.url)
        try configuration.set("proto", "=http,https")
        try configuration.set("connect-timeout", String(options.connectTimeout))
        try configuration.set("speed-limit", "1")
        try configuration.set("speed-time", String(options.stallTimeout))
        try configuration.set("dump-header", "/proc/self/fd/3")
        try configuration.set("write-out", "%{stderr}%{json}")
        try configuration.set("user-agent", "butterdish")
        if let authorities = options.authorities { try configuration.set("cacert", authorities) }
        for (name, value) in request.headers { try configuration.set("header", "\(name): \(value)") }
        switch request.body {
        case .none: break
        case .bytes: try configuration.set("data-binary", "@/proc/self/fd/4")
        case .file(let path, let from):
            try configuration.set("upload-file", path)
            if from > 0 { try configuration.set("continue-at", String(from)) }
        }
        if case .none = request.body, request.method == "HEAD" {
            configuration.set("head")
        } else {
            try configuration.set("request", request.method)
            // The answer to a large upload isn't waited for before it is sent.
            try configuration.set("header", "Expect:")
        }
        return configuration.text
    }
}

extension Curl {
    /// The memory files of one run.
    private final class Files: Sendable {
        let input: OwnedFD
        let body: OwnedFD
        let head: OwnedFD
        let report: OwnedFD

        init(configuration: String, body: HTTPRequest.Body) throws {
            input = try Self.make(Array(configuration.utf8))
            if case .bytes(let bytes) = body {
                self.body = try Self.make(bytes)
            } else {
                self.body = try Self.make([])
            }
            head = try Self.make([])
            report = try Self.make([])
        }

        private static func make(_ content: [UInt8]) throws -> OwnedFD {
            let file = OwnedFD(adopting: try retryingInterrupts("create memory file") { dish_memory_file("curl") })
            try Linux.Files.write(content, to: file.number, "memory file")
            lseek(file.number, 0, SEEK_SET)
            return file
        }

        func content(of file: borrowing OwnedFD) throws -> [UInt8] {
            lseek(file.number, 0, SEEK_SET)
            return try Linux.Files.read(file, "memory file")
        }

        func readHead() throws -> HTTPHead? { HTTPHead(dump: try content(of: head)) }

        /// Reads the body. curl has written the head before the body's first byte.
        func receive(_ pipe: borrowing OwnedFD, _ sink: Sink?) throws -> [UInt8] {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 4096)
            defer { buffer.deallocate() }
            let number = pipe.number
            var collected: [UInt8] = []
            var head: HTTPHead?
            while true {
                let count = try retryingInterrupts("read from", "curl") { read(number, buffer.baseAddress, buffer.count) }
                if count == 0 { return collected }
                if head == nil { head = try readHead() }
                let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                if let sink, let head, head.isSuccess {
                    try sink(head, piece)
                } else {
                    guard collected.count + count <= Curl.bodyLimit else {
                        throw RegistryError(
                            .damaged, "an answer of more than \(Curl.bodyLimit >> 20) MiB where a short one belongs")
                    }
                    collected.append(contentsOf: piece)
                }
            }
        }
    }
}
