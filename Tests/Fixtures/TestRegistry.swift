public import Glibc
import Linux
import Synchronization

/// Debian's docker-registry on a free port of the loopback interface, with a store of its own.
public final class TestRegistry: Sendable {
    /// `127.0.0.1:PORT`
    public let host: String
    /// The certificate to trust; nil without TLS.
    public let authority: String?
    public let directory: String
    private let process = Mutex<pid_t>(0)
    public var pid: pid_t { process.withLock { $0 } }

    public static let user = "keeper"
    public static let password = "correct horse"

    /// - Parameters:
    ///   - isSecure: whether it speaks TLS and wants `user` and `password`.
    ///   - tokens: who gives the tokens that it wants then; nil for none.
    public init(isSecure: Bool = false, tokens: TokenServer? = nil) async throws {
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
            try await Self.makeCertificates(in: directory)
            // bcrypt of the password.
            let hash = "$2b$05$\(Self.hash)"
            try Files.replace("\(directory)/users", with: "\(Self.user):\(hash)\n".utf8, durable: false)
            configuration += """
                  tls: {certificate: \(directory)/cert.pem, key: \(directory)/key.pem}
                auth:
                  htpasswd: {realm: test, path: \(directory)/users}

                """
        }
        if let tokens {
            configuration += """
                auth:
                  token: {realm: "\(tokens.url)", service: test-service, issuer: test-issuer, rootcertbundle: \(tokens.directory)/cert.pem}

                """
        }
        authority = isSecure ? "\(directory)/ca.pem" : nil
        try Files.replace("\(directory)/config.yml", with: configuration.utf8, durable: false)
        try await start()
    }

    /// Starts it again after it was killed, with what it has stored.
    public func start() async throws {
        let pid = try Self.start(directory)
        process.withLock { $0 = pid }
        try await waitUntilItAnswers()
    }

    /// Ends it at once.
    public func stop() {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// An authority of its own, and a certificate for the loopback address by it.
    private static func makeCertificates(in directory: String) async throws {
        let script = """
            cd \(directory)
            openssl ecparam -name prime256v1 -genkey -noout -out ca.key && openssl ecparam -name prime256v1 -genkey -noout -out key.pem
            openssl req -x509 -new -key ca.key -days 2 -subj '/CN=test authority' -out ca.pem
            openssl req -new -key key.pem -subj /CN=test -out request.pem
            printf 'subjectAltName=IP:127.0.0.1' > names
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem
            """
        let made = try await Command("/bin/sh", ["-ec", script]).run()
        guard made.status.isSuccess else { throw FixtureError("make certificates: \(made.errorText)") }
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

    deinit { stop() }
}

/// A server between `dish` and a registry that spoils what it passes on.
public final class FaultyProxy: Sendable {
    public let host: String
    private let server: PythonServer
    private let faults: String

    /// - Parameter registry: its `HOST:PORT`, without TLS.
    public init(to registry: String) async throws {
        let port = try FreePort.tcp()
        host = "127.0.0.1:\(port)"
        faults = try Scratch.make("proxy") + "/faults"
        try Files.replace(faults, with: [], durable: false)
        server = try await PythonServer("faulty_proxy.py", ["\(port)", registry, faults], answersAt: "http://\(host)/v2/")
    }

    /// What happens to the next blobs that are fetched, one word each; afterwards none is spoiled.
    public func spoil(_ words: [String]) throws {
        try Files.replace(faults, with: words.joined(separator: "\n").utf8, durable: false)
    }

    /// The faults that nothing has met yet.
    public var left: String { (try? Files.readText(faults)) ?? "" }

    /// A line for each request: method, path, range, bytes sent.
    public var log: [Substring] { ((try? Files.readText(faults + ".log")) ?? "").split(separator: "\n") }
}
