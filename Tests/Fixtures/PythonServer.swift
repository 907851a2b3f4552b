import Glibc
import Linux

/// A server of this folder's own, in Python.
final class PythonServer: Sendable {
    private let pid: pid_t

    /// - Parameter url: what is fetched until it answers.
    init(_ script: String, _ arguments: [String], answersAt url: String) async throws {
        guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
        pid = try Spawn(python, ["\(Programs.repository)/Tests/Fixtures/\(script)"] + arguments).start()
        for _ in 0..<200 {
            if try await Command("/usr/bin/curl", ["--silent", "--max-time", "2", url]).run().status.isSuccess { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw FixtureError("\(script) doesn't answer")
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}

/// A registry that does what Debian's doesn't (small_registry.py).
public final class SmallRegistry: Sendable {
    public let host: String
    private let directory: String
    private let server: PythonServer

    /// - Parameters:
    ///   - options: `referrers`, `user=NAME:PASSWORD`, `blobs=URL`.
    ///   - other: another one whose store it shares.
    public init(_ options: [String] = [], storeOf other: SmallRegistry? = nil) async throws {
        let port = try FreePort.tcp()
        host = "127.0.0.1:\(port)"
        directory = try other?.directory ?? Scratch.make("small-registry")
        server = try await PythonServer(
            "small_registry.py", ["\(port)", directory] + options, answersAt: "http://127.0.0.1:\(port)/v2/")
    }

    /// A line for each request, of whichever shares the store: method, path, `auth` or `plain`, range, bytes sent.
    public var log: [Substring] { ((try? Files.readText("\(directory)/log")) ?? "").split(separator: "\n") }

    public func forgetLog() { unlink("\(directory)/log") }

    /// Takes a tag away.
    public func forget(_ repository: String, _ tag: String) throws {
        let name = "\(repository)@\(tag)".replacing("/", with: "%2F").replacing("@", with: "%40").replacing(":", with: "%3A")
        guard unlink("\(directory)/manifests/\(name)") == 0 else { throw FixtureError("there is no \(name)") }
    }
}

/// A registry and another server that want credentials which aren't theirs (credential_trap.py).
public final class CredentialTrap: Sendable {
    public let host: String
    private let directory: String
    private let server: PythonServer

    public init() async throws {
        let (port, other) = (try FreePort.tcp(), try FreePort.tcp())
        host = "127.0.0.1:\(port)"
        directory = try Scratch.make("trap")
        server = try await PythonServer(
            "credential_trap.py", ["\(port)", "\(other)", directory], answersAt: "http://127.0.0.1:\(port)/v2/")
        unlink("\(directory)/log")
    }

    /// A line for each request: which server, method, path, Authorization, body.
    public var log: [Substring] { ((try? Files.readText("\(directory)/log")) ?? "").split(separator: "\n") }
}

/// Who gives the tokens for a `TestRegistry` (token_server.py): all of `team/` to whoever has its password, pulling from `public/`
/// to everybody.
public final class TokenServer: Sendable {
    public let url: String
    let directory: String
    private let server: PythonServer

    public static let identity = "an identity token"

    public init() async throws {
        directory = try Scratch.make("tokens")
        let made = try await Command(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test tokens", "-keyout",
                "\(directory)/key.pem", "-out", "\(directory)/cert.pem",
            ]
        ).run()
        guard made.status.isSuccess else { throw FixtureError("make a certificate: \(made.errorText)") }
        let port = try FreePort.tcp()
        url = "http://127.0.0.1:\(port)/token"
        server = try await PythonServer(
            "token_server.py", ["\(port)", directory, "\(TestRegistry.user):\(TestRegistry.password)", Self.identity],
            answersAt: url)
        unlink("\(directory)/log")
    }

    /// A line for each token: method, `known` or `anonymous`, scopes.
    public var log: [Substring] { ((try? Files.readText("\(directory)/log")) ?? "").split(separator: "\n") }
}

/// The web page with answers that are made up (Benchmarks/web_fixture.py), all names and texts of which would do harm if they were taken
/// for anything but text.
public final class HostilePage: Sendable {
    public let url: String
    private let server: PythonServer

    public init(tasks: Int) async throws {
        let port = try FreePort.tcp()
        url = "http://127.0.0.1:\(port)/"
        server = try await PythonServer(
            "../../Benchmarks/web_fixture.py", ["\(port)", "\(tasks)", "hostile"], answersAt: url)
    }
}
