/// Keys as DER (X.690): PKCS #1 and PKCS #8 (RFC 8017, RFC 5958), and elliptic curves' (RFC 5915).
enum KeyDER {
    private struct Element {
        let tag: UInt8
        let length: Int
        /// The offset of its content.
        let start: Int
    }

    /// Tells whether a file is one sequence that begins as a private key does.
    ///
    /// - Parameter size: of the whole file, of which the content is the start.
    static func isPrivateKey(_ content: [UInt8], size: Int) -> Bool {
        guard let sequence = element(content, at: 0), sequence.tag == 0x30, sequence.start + sequence.length == size,
            let version = element(content, at: sequence.start), version.tag == 2, version.length == 1,
            version.start < content.count, let next = element(content, at: version.start + 1)
        else { return false }
        switch (content[version.start], next.tag) {
        // PKCS #1: the modulus follows, of 512 bits at least.
        case (0, 2): return next.length >= 64
        // PKCS #8: an algorithm's object identifier, then the key as a string of octets.
        case (0, 0x30), (1, 0x30):
            guard let identifier = element(content, at: next.start), identifier.tag == 6 else { return false }
            return element(content, at: next.start + next.length)?.tag == 4
        case (1, 4): return next.length >= 16 && next.length <= 66
        default: return false
        }
    }

    private static func element(_ content: [UInt8], at position: Int) -> Element? {
        guard position + 1 < content.count else { return nil }
        let first = Int(content[position + 1])
        if first < 0x80 { return Element(tag: content[position], length: first, start: position + 2) }
        let count = first & 0x7f
        guard (1...4).contains(count), position + 2 + count <= content.count else { return nil }
        let length = content[(position + 2)..<(position + 2 + count)].reduce(0) { $0 << 8 | Int($1) }
        return Element(tag: content[position], length: length, start: position + 2 + count)
    }
}
