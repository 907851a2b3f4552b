/// The authentication that a registry wants which answers 401 (RFC 9110, section 11.6.1).
enum Challenge: Sendable, Equatable {
    case basic
    case bearer(realm: String, service: String?, scope: String?)

    /// All that are offered, in `WWW-Authenticate` fields: there may be several in one. Those of schemes that registries don't use are
    /// passed over.
    static func all(_ fields: [String]) -> [Challenge] { fields.flatMap { ChallengeParser($0).challenges() } }

    fileprivate init?(_ scheme: String, _ parameters: [String: String]) {
        switch scheme.lowercased() {
        case "basic": self = .basic
        case "bearer":
            guard let realm = parameters["realm"] else { return nil }
            self = .bearer(realm: realm, service: parameters["service"], scope: parameters["scope"])
        default: return nil
        }
    }
}

/// A field's challenges: `SCHEME [TOKEN | NAME=VALUE, …], …`. Commas are between parameters and between challenges alike, so a word is
/// a scheme when no `=` comes after it.
private struct ChallengeParser {
    private var rest: Substring

    init(_ field: String) { rest = field[...] }

    consuming func challenges() -> [Challenge] {
        var found: [Challenge] = []
        var scheme: String?
        var parameters: [String: String] = [:]
        func end() {
            if let scheme, let challenge = Challenge(scheme, parameters) { found.append(challenge) }
        }
        while true {
            skip { $0 == " " || $0 == "\t" || $0 == "," }
            if rest.isEmpty { break }
            let word = take { !" \t,=\"".contains($0) }
            guard !word.isEmpty else {
                // Nothing that belongs here.
                rest = rest.dropFirst()
                continue
            }
            let afterWord = rest
            skip { $0 == " " || $0 == "\t" }
            if rest.first == "=" {
                rest = rest.dropFirst()
                // What ends with these is a token of the scheme.
                if rest.first == "=" || rest.isEmpty || rest.first == "," {
                    skip { $0 == "=" }
                    continue
                }
                skip { $0 == " " || $0 == "\t" }
                let name = word.lowercased()
                let value = value()
                // The first one counts, as it does for a field.
                if parameters[name] == nil { parameters[name] = value }
                continue
            }
            rest = afterWord
            end()
            (scheme, parameters) = (word, [:])
            // A token without `=` at its end, like that of Negotiate, has no comma and no parameter before it.
            skipToken()
        }
        end()
        return found
    }

    private mutating func skipToken() {
        var ahead = self
        ahead.skip { $0 == " " || $0 == "\t" }
        let token = ahead.take { !" \t,=\"".contains($0) }
        ahead.skip { $0 == " " || $0 == "\t" }
        if !token.isEmpty, ahead.rest.isEmpty || ahead.rest.first == "," { self = ahead }
    }

    private mutating func value() -> String {
        guard rest.first == "\"" else { return take { !" \t,".contains($0) } }
        rest = rest.dropFirst()
        var value = ""
        while let character = rest.popFirst(), character != "\"" {
            if character == "\\", let escaped = rest.popFirst() { value.append(escaped) } else { value.append(character) }
        }
        return value
    }

    private mutating func take(_ belongs: (Character) -> Bool) -> String {
        let taken = rest.prefix(while: belongs)
        rest = rest.dropFirst(taken.count)
        return String(taken)
    }

    private mutating func skip(_ belongs: (Character) -> Bool) { rest = rest.drop(while: belongs) }
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
