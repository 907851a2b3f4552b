public import Glibc
import Linux

/// Debian's docker-registry on a free port of the loopback interface, with a store of its own.
public final class TestRegistry: Sendable {
    /// `127.0.0.1:PORT`
    public let host: String
    /// The certificate to trust; nil without TLS.
    public let authority: String?
    public let directory: String
    public let pid: pid_t

    public static let user = "keeper"
    public static let password = "correct horse"

    /// - Parameters:
    ///   - isSecure: whether it speaks TLS and wants `user` and `password`.
    public init(isSecure: Bool = false) async throws {
        directory = try Scratch.make("registry")
        let port = try FreePort.tcp()
        host = "127.0.0.1:\(port)"
        var configuration = """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: \(directory)/store}}
            http:
              addr: \(host)

            """
        if isSecure {
            let made = try await Command(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(directory)/key.pem", "-out",
                    "\(directory)/cert.pem",
                ]
            ).run()
            guard made.status.isSuccess else { throw FixtureError("make a certificate: \(made.errorText)") }
            // bcrypt of the password.
            let hash = "$2b$05$\(Self.hash)"
            try Files.replace("\(directory)/users", with: "\(Self.user):\(hash)\n".utf8, durable: false)
            configuration += """
                  tls: {certificate: \(directory)/cert.pem, key: \(directory)/key.pem}
                auth:
                  htpasswd: {realm: test, path: \(directory)/users}

                """
        }
        authority = isSecure ? "\(directory)/cert.pem" : nil
        try Files.replace("\(directory)/config.yml", with: configuration.utf8, durable: false)
        pid = try Self.start(directory)
        try await waitUntilItAnswers()
    }

    private static let hash = "abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"

    private static func start(_ directory: String) throws -> pid_t {
        guard let program = Executable.find("docker-registry") else { throw FixtureError("docker-registry is not installed") }
        var spawn = Spawn(program, ["serve", "\(directory)/config.yml"])
        let log = try OwnedFD.open("\(directory)/log", O_WRONLY | O_CREAT | O_APPEND)
        spawn.descriptors = [-1, log.number, log.number]
        return try spawn.start()
    }

    private func waitUntilItAnswers() async throws {
        for _ in 0..<200 {
            let scheme = authority == nil ? "http" : "https"
            let answer = try await Command(
                "/usr/bin/curl", ["--silent", "--insecure", "--max-time", "2", "\(scheme)://\(host)/v2/"]
            ).run()
            if answer.status.isSuccess { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw FixtureError("the registry doesn't answer: \((try? Files.readText("\(directory)/log")) ?? "")")
    }

    /// A folder for `$DOCKER_CONFIG` with the credentials.
    public func dockerConfiguration() throws -> String {
        let folder = try Scratch.make("docker")
        // keeper:correct horse
        let text = #"{"auths": {"\#(host)": {"auth": "a2VlcGVyOmNvcnJlY3QgaG9yc2U="}}}"#
        try Files.replace("\(folder)/config.json", with: text.utf8, mode: 0o600, durable: false)
        return folder
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}

/// A server between `dish` and a registry that spoils what it passes on.
public final class FaultyProxy: Sendable {
    public let host: String
    private let pid: pid_t
    private let faults: String

    /// - Parameter registry: its `HOST:PORT`, without TLS.
    public init(to registry: String) async throws {
        let port = try FreePort.tcp()
        host = "127.0.0.1:\(port)"
        faults = try Scratch.make("proxy") + "/faults"
        guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
        try Files.replace(faults, with: [], durable: false)
        pid = try Spawn(python, ["\(Programs.repository)/Tests/Fixtures/faulty_proxy.py", "\(port)", registry, faults]).start()
        for _ in 0..<100 {
            if try await Command("/usr/bin/curl", ["--silent", "--max-time", "2", "http://\(host)/v2/"]).run().status.isSuccess {
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw FixtureError("the proxy doesn't answer")
    }

    /// What happens to the next blobs that are fetched, one word each; afterwards none is spoiled.
    public func spoil(_ words: [String]) throws {
        try Files.replace(faults, with: words.joined(separator: "\n").utf8, durable: false)
    }

    /// The faults that nothing has met yet.
    public var left: String { (try? Files.readText(faults)) ?? "" }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
