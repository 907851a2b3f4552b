import Glibc
import Linux

/// An authority that gives certificates to a test's agent and its clients, made by openssl.
public struct TestAuthority: Sendable {
    /// A certificate and its key, as PEM files.
    public struct Certificate: Sendable {
        public let certificate: String
        public let key: String
    }

    /// Its own certificate.
    public let path: String
    private let directory: String

    public init(_ name: String = "test authority") async throws {
        directory = try Scratch.make("authority")
        path = "\(directory)/authority.pem"
        try await Self.openssl(
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
                + ["-subj", "/CN=\(name)", "-keyout", "\(directory)/authority.key", "-out", path])
    }

    /// - Parameters:
    ///   - subject: like `/OU=dish:read/CN=alice`.
    ///   - days: how long it is valid; one that isn't any more is asked for with a negative number.
    public func give(_ subject: String, days: Int = 1) async throws -> Certificate {
        let name = "\(directory)/\(UInt32.random(in: 0 ... .max))"
        try await Self.openssl(
            ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject]
                + ["-keyout", "\(name).key", "-out", "\(name).csr"])
        try Files.replace("\(name).ext", with: "subjectAltName=IP:127.0.0.1,DNS:localhost\n".utf8, durable: false)
        try await Self.openssl(
            ["x509", "-req", "-in", "\(name).csr", "-CA", path, "-CAkey", "\(directory)/authority.key", "-CAcreateserial"]
                + ["-days", "\(days)", "-extfile", "\(name).ext", "-out", "\(name).pem"])
        return Certificate(certificate: "\(name).pem", key: "\(name).key")
    }

    private static func openssl(_ arguments: [String]) async throws {
        let made = try await Command("/usr/bin/openssl", arguments).run()
        guard made.status.isSuccess else { throw FixtureError("openssl \(arguments[0]): \(made.errorText)") }
    }
}
