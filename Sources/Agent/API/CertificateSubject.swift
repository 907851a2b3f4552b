/// Whom a certificate was given to: what of X.509 (RFC 5280, section 4.1) roles need. Its signature has been verified before.
struct CertificateSubject: Equatable {
    private(set) var commonName: String?
    private(set) var organizationalUnits: [String] = []

    /// The highest role that it names: the unit `dish:operate`, say.
    var role: APIRole? {
        organizationalUnits.compactMap { unit in unit.hasPrefix("dish:") ? APIRole(rawValue: String(unit.dropFirst(5))) : nil }
            .max()
    }

    /// - Parameter certificate: in DER; nil for what isn't one.
    init?(certificate: [UInt8]) {
        var whole = DER(certificate[...])
        guard var outer = whole.enter(DER.sequence), var body = outer.enter(DER.sequence) else { return nil }
        // A version, unless it is the first.
        if body.tag == 0xA0 { _ = body.next() }
        // Serial number, algorithm, issuer, validity.
        for tag in [DER.integer, DER.sequence, DER.sequence, DER.sequence] {
            guard body.next()?.tag == tag else { return nil }
        }
        guard var names = body.enter(DER.sequence) else { return nil }
        while var set = names.enter(DER.set) {
            while var attribute = set.enter(DER.sequence) {
                guard let type = attribute.next(), type.tag == DER.identifier, let value = attribute.next() else { return nil }
                guard DER.texts.contains(value.tag) else { continue }
                let text = String(decoding: value.content, as: UTF8.self)
                // id-at, 2.5.4: commonName is 3, organizationalUnitName is 11.
                switch Array(type.content) {
                case [0x55, 4, 3]: commonName = text
                case [0x55, 4, 11]: organizationalUnits.append(text)
                default: break
                }
            }
        }
    }
}

/// Reads one value after the other (X.690).
private struct DER {
    static let integer: UInt8 = 2
    static let identifier: UInt8 = 6
    static let sequence: UInt8 = 0x30
    static let set: UInt8 = 0x31
    /// UTF8String, PrintableString, IA5String.
    static let texts: Set<UInt8> = [0x0C, 0x13, 0x16]

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var tag: UInt8? { rest.first }

    /// The next value, whatever it is; nil at the end, and for what is cut short.
    mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
        guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...4).contains(count), rest.count >= count else { return nil }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
        }
        guard length <= rest.count else { return nil }
        defer { rest = rest.dropFirst(length) }
        return (tag, rest.prefix(length))
    }

    /// What is in the next value, if it has that tag.
    mutating func enter(_ tag: UInt8) -> DER? {
        guard self.tag == tag, let value = next() else { return nil }
        return DER(value.content)
    }
}
