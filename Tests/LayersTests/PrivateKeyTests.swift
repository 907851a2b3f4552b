import Testing

@testable import Layers

/// What is a private key among the files of an image, and what only speaks of keys.
@Suite struct PrivateKeyTests {
    private static let base64 = String(repeating: "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", count: 8)

    private func kind(_ text: String, name: String = "file") -> String? { kind(Array(text.utf8), name: name) }

    private func kind(_ bytes: [UInt8], name: String = "file") -> String? {
        PrivateKey.kind(name: name, content: bytes, size: bytes.count)
    }

    @Test(arguments: ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "])
    func textThatBeginsAsAKeyIsOne(_ algorithm: String) {
        let begin = "-----BEGIN \(algorithm)PRIVATE KEY-----"
        #expect(kind("\(begin)\n\(Self.base64)\n-----END \(algorithm)PRIVATE KEY-----\n") == "PEM private key")
        #expect(kind("some text\r\n\(begin)\r\n\(Self.base64)\r\n") == "PEM private key")
        #expect(kind("  key: |\n    \(begin)\n    \(Self.base64)\n") == "PEM private key")
        #expect(kind(#"{"private_key": "\#(begin)\n\#(Self.base64)\n"}"#) == "PEM private key")
        #expect(kind("\(begin)\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n\(Self.base64)\n") == "PEM private key")
        // A program that reads such files has the mark.
        #expect(kind("\u{0}\(begin)\u{0}-----END PRIVATE KEY-----\u{0}") == nil)
        #expect(kind("\(begin)\n...\n-----END PRIVATE KEY-----\n") == nil)
    }

    @Test func publicKeysAndCertificatesAreNone() {
        for kind in ["PUBLIC KEY", "CERTIFICATE", "RSA PUBLIC KEY", "DH PARAMETERS", "CERTIFICATE REQUEST"] {
            #expect(self.kind("-----BEGIN \(kind)-----\n\(Self.base64)\n-----END \(kind)-----\n") == nil)
        }
        #expect(kind("Say where the PRIVATE KEY is. PrivateKey = see below\n") == nil)
        #expect(kind("") == nil)
        #expect(kind("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4OFyTXbvl+xuORUdZcKSYo9KvQiPQ1 root@host\n") == nil)
    }

    @Test func keysOfProgramsWithFormatsOfTheirOwnAreFound() {
        #expect(kind("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n") == "PEM private key")
        #expect(kind("PuTTY-User-Key-File-2: ssh-rsa\n") == "PuTTY private key")
        #expect(kind("AGE-SECRET-KEY-1QQQQ\n") == "age private key")
        #expect(
            kind("[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n") == "WireGuard private key")
        #expect(kind("key \"rndc-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"\(Self.base64.prefix(44))\";\n};\n") == "TSIG key")
        #expect(kind("(11:private-key(3:rsa") == "GnuPG private key")
        #expect(kind([5, 2, 0, 0, 0, 60, 0, 1], name: "krb5.keytab") == "Kerberos key table")
        #expect(kind([0x8f, 1, 2, 3, 4, 5, 6, 7, 8], name: "munge.key") == "shared secret")
        let store: [UInt8] = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]
        #expect(kind(store + [1, 0]) == "Java key store with a private key")
        // Certificates alone, as in Java's cacerts.
        #expect(kind(store + [2, 0]) == nil)
    }

    @Test func keysInBinaryFormAreFound() {
        // PKCS #8 of Ed25519: RFC 8410.
        let ed25519: [UInt8] =
            [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20] + [UInt8](repeating: 7, count: 32)
        #expect(kind(ed25519) == "DER private key")
        // More follows, or less: something else.
        #expect(kind(ed25519 + [0]) == nil)
        #expect(kind(Array(ed25519.dropLast())) == nil)
        // PKCS #1: version, modulus, exponent.
        let modulus: [UInt8] = [2, 0x81, 0x81, 0] + [UInt8](repeating: 0xc1, count: 128)
        let rsa = [2, 1, 0] + modulus + [2, 3, 1, 0, 1]
        #expect(kind([0x30, 0x81, UInt8(rsa.count)] + rsa) == "DER private key")
        // A certificate begins with a sequence.
        #expect(kind([0x30, 6, 0x30, 4, 2, 2, 1, 0]) == nil)
        for length in 0..<ed25519.count { _ = kind(Array(ed25519.prefix(length))) }
    }
}
