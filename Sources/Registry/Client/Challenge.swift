/// What a registry that answers 401 wants (RFC 9110, `WWW-Authenticate`).
enum Challenge: Sendable, Equatable {
    case basic
    case bearer(realm: String, service: String?, scope: String?)

    /// Nil for schemes that registries don't use.
    init?(_ field: String) {
        let words = field.split(separator: " ", maxSplits: 1)
        switch words.first?.lowercased() {
        case "basic": self = .basic
        case "bearer":
            let parameters = Self.parameters(words.count == 2 ? words[1] : "")
            guard let realm = parameters["realm"] else { return nil }
            self = .bearer(realm: realm, service: parameters["service"], scope: parameters["scope"])
        default: return nil
        }
    }

    private static func parameters(_ text: Substring) -> [String: String] {
        var parameters: [String: String] = [:]
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].filter { $0 != " " && $0 != "," }.lowercased()
            rest = rest[rest.index(after: equals)...]
            var value = ""
            if rest.first == "\"" {
                rest = rest.dropFirst()
                while let character = rest.popFirst(), character != "\"" {
                    if character == "\\", let escaped = rest.popFirst() { value.append(escaped) } else { value.append(character) }
                }
            } else {
                value = String(rest.prefix { $0 != "," })
                rest = rest.dropFirst(value.count)
            }
            parameters[name] = value
        }
        return parameters
    }
}

/// Text as a value in a URL's query.
func urlEncoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            encoded.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let hex = String(byte, radix: 16, uppercase: true)
            encoded += "%" + (hex.utf8.count == 1 ? "0" : "") + hex
        }
    }
    return encoded
}
