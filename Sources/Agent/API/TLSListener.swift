import AgentAPI
import NIOSSL

/// The API over TCP: TLS 1.2 or later, for clients with a certificate of one authority.
public struct TLSListener: Sendable {
    let host: String
    let port: Int
    let configuration: TLSConfiguration

    /// - Parameters:
    ///   - certificate: PEM file of the agent's certificate, and those between it and its authority.
    ///   - key: PEM file of its key.
    ///   - authorities: PEM file of those whose certificates clients may have.
    /// - Throws: `AgentError` naming the file that can't be used.
    public init(host: String, port: Int, certificate: String, key: String, authorities: String) throws {
        self.host = host
        self.port = port
        let chain = try Self.load("certificate", certificate) { try NIOSSLCertificate.fromPEMFile($0) }
        let key = try Self.load("key", key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
        let trusted = try Self.load("authorities' certificates", authorities) { try NIOSSLCertificate.fromPEMFile($0) }
        guard !chain.isEmpty, !trusted.isEmpty else {
            throw AgentError(.invalid, "'\(chain.isEmpty ? certificate : authorities)' has no certificate in it")
        }
        var configuration = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key), trustRoots: .certificates(trusted))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        self.configuration = configuration
    }

    private static func load<Content>(_ what: String, _ path: String, _ body: (String) throws -> Content) throws -> Content {
        do {
            return try body(path)
        } catch {
            throw AgentError(.invalid, "read the \(what) in '\(path)': \(error)")
        }
    }
}
