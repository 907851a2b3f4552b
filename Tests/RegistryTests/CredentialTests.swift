import Fixtures
import Glibc
import Linux
import Testing

@testable import Registry

/// Credentials go to the registry that they are for and to nobody else.
@Suite struct CredentialTests {
    private static let password = "Basic bWU6c2VjcmV0"
    private static let identity = "identity-secret"

    /// What both servers saw of a pull of a repository, and how it ended.
    ///
    /// - Parameter withIdentity: whether the credentials are a token; nil for none.
    private func pull(_ repository: String, withIdentity: Bool?) async throws -> (log: [Substring], error: String) {
        let trap = try await CredentialTrap()
        let folder = try Scratch.make("credentials")
        let entry = withIdentity == true ? #"{"identitytoken": "\#(Self.identity)"}"# : #"{"auth": "bWU6c2VjcmV0"}"#
        let host = withIdentity == nil ? "elsewhere.example" : trap.host
        try Files.replace("\(folder)/config.json", with: #"{"auths": {"\#(host)": \#(entry)}}"#.utf8, durable: false)
        let remote = Remote(
            try Reference("\(trap.host)/\(repository)/app:1"), RegistryOptions(),
            store: CredentialStore(path: "\(folder)/config.json"))
        let error = await #expect(throws: (any Error).self) { _ = try await remote.requireManifest("1") }
        return (trap.log, error.map { "\($0)" } ?? "")
    }

    private func expectNothingStolen(_ log: [Substring]) {
        for line in log where line.hasPrefix("other") {
            #expect(!line.contains(Self.password) && !line.contains(Self.identity), "\(line)")
        }
    }

    @Test(arguments: [true, false]) func aRedirectedTokenRequestIsNotSentElsewhere(withIdentity: Bool) async throws {
        let (log, error) = try await pull("local", withIdentity: withIdentity)
        expectNothingStolen(log)
        #expect(log.contains { $0.hasPrefix("registry") && $0.contains(withIdentity ? Self.identity : Self.password) }, "\(log)")
        #expect(!log.contains { $0.hasPrefix("other") } && error.contains("nothing was sent there"), "\(log) \(error)")
    }

    @Test func anAnonymousTokenRequestMayBeRedirected() async throws {
        let (log, _) = try await pull("local", withIdentity: nil)
        expectNothingStolen(log)
        #expect(log.contains { $0.hasPrefix("other GET /redirected") }, "\(log)")
    }

    @Test(arguments: [true, false]) func aRealmOfAnotherHostGetsNothingOverPlainHTTP(withIdentity: Bool) async throws {
        let (log, error) = try await pull("realm", withIdentity: withIdentity)
        expectNothingStolen(log)
        #expect(error.contains("is another host"), "\(error)")
    }

    @Test(arguments: [true, false]) func whoeverARedirectLeadsToNamesNoRealm(withIdentity: Bool) async throws {
        let (log, _) = try await pull("elsewhere", withIdentity: withIdentity)
        expectNothingStolen(log)
        #expect(log.contains { $0.hasPrefix("other GET /v2/elsewhere -") } && !log.contains { $0.contains("/stolen") }, "\(log)")
    }

    @Test func hostsAreReadAsTheyAreMeant() {
        #expect(HTTPRequest.host(of: "https://a.example:5000/v2/?x") == "a.example")
        #expect(HTTPRequest.host(of: "https://[::1]:5000/") == "::1")
        #expect(HTTPRequest.host(of: "https://a.example@b.example/") == nil && HTTPRequest.host(of: "a.example") == nil)
        #expect(HTTPRequest.isLoopback("127.0.0.1") && HTTPRequest.isLoopback("localhost"))
        #expect(!HTTPRequest.isLoopback("127.evil.example") && !HTTPRequest.isLoopback("localhost.example"))
    }
}
