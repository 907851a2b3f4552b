import Glibc

/// A file that holds a secret key, in one of the forms that programs keep keys in.
public struct PrivateKey: Sendable, Codable, Equatable {
    /// Absolute.
    public let path: String
    /// Like "PEM private key".
    public let kind: String

    public init(path: String, kind: String) {
        self.path = path
        self.kind = kind
    }

    /// The form of the key that a file holds; nil for none.
    ///
    /// - Parameters:
    ///   - name: the file's name.
    ///   - content: its start, or all of it.
    ///   - size: of the whole file.
    static func kind(name: String, content: [UInt8], size: Int) -> String? {
        if KeyText.hasPEM(content) { return "PEM private key" }
        if content.starts(with: "PuTTY-User-Key-File-".utf8) { return "PuTTY private key" }
        if content.first == 0x30, KeyDER.isPrivateKey(content, size: size) { return "DER private key" }
        if KeyText.contains(content, "AGE-SECRET-KEY-1") { return "age private key" }
        if KeyText.hasWireGuard(content) { return "WireGuard private key" }
        if KeyText.hasTSIG(content) { return "TSIG key" }
        if content.starts(with: "(11:private-key".utf8) || KeyText.hasLine(content, "Key: (private-key") {
            return "GnuPG private key"
        }
        if isJavaKeyStore(content) { return "Java key store with a private key" }
        if name.hasSuffix(".keytab"), content.starts(with: [5, 2]) { return "Kerberos key table" }
        if name.hasSuffix(".p12") || name.hasSuffix(".pfx"), content.first == 0x30 { return "PKCS #12 store" }
        // Random bytes have no form; these names are their programs' own.
        if ["munge.key", ".erlang.cookie"].contains(name), size > 0 { return "shared secret" }
        return nil
    }

    /// The first entry of a store tells: magic number, version, count, and 1 for a key or 2 for a certificate.
    private static func isJavaKeyStore(_ content: [UInt8]) -> Bool {
        content.starts(with: [0xfe, 0xed, 0xfe, 0xed]) && content.count > 16 && content[12..<16].elementsEqual([0, 0, 0, 1])
    }
}
