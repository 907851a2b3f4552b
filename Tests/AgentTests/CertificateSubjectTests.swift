import Testing

@testable import Agent

/// Whom a certificate was given to, read from its DER.
@Suite struct CertificateSubjectTests {
    private static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        content.count < 128
            ? [tag, UInt8(content.count)] + content
            : [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
    }

    private static func name(_ attributes: [(UInt8, String)]) -> [UInt8] {
        value(
            0x30,
            attributes.flatMap { type, text in
                value(0x31, value(0x30, value(6, [0x55, 4, type]) + value(0x0C, Array(text.utf8))))
            })
    }

    /// As much of a certificate as is read, with an issuer whose units are nobody's.
    private static func certificate(_ subject: [(UInt8, String)], version: [UInt8] = value(0xA0, value(2, [2]))) -> [UInt8] {
        let validity = value(0x30, value(0x17, Array("260101000000Z".utf8)) + value(0x17, Array("270101000000Z".utf8)))
        let issuer = name([(11, "dish:admin"), (3, "issuer")])
        return value(
            0x30,
            value(0x30, version + value(2, [1]) + value(0x30, [6, 1, 1]) + issuer + validity + name(subject)) + value(3, [0]))
    }

    @Test func theRoleIsTheHighestOfTheSubjectsUnits() throws {
        let subject = try #require(
            CertificateSubject(
                certificate: Self.certificate([(11, "web"), (11, "dish:read"), (11, "dish:operate"), (3, "alice")])))
        #expect(subject.role == .operate && subject.commonName == "alice")
        #expect(CertificateSubject(certificate: Self.certificate([(3, "dish:admin")]))?.role == nil)
        #expect(CertificateSubject(certificate: Self.certificate([(11, "dish:Admin"), (11, "admin")]))?.role == nil)
        #expect(CertificateSubject(certificate: Self.certificate([(11, "dish:admin")], version: []))?.role == .admin)
        #expect(
            CertificateSubject(certificate: Self.certificate([(11, "dish:read"), (3, String(repeating: "x", count: 300))]))?.role
                == .read)
    }

    @Test func whatIsCutShortOrChangedIsNoCertificateAndDoesNoHarm() {
        let whole = Self.certificate([(11, "dish:admin"), (3, "alice")])
        for length in 0..<whole.count { #expect(CertificateSubject(certificate: Array(whole.prefix(length))) == nil) }
        var numbers = SystemRandomNumberGenerator()
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &numbers)] = .random(in: 0...255, using: &numbers) }
            _ = CertificateSubject(certificate: bytes)
        }
    }
}
