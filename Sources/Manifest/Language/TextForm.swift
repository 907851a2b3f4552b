import Spec

/// Forms of what build files and job files consist of.
extension TextForm {
    /// One of a few words.
    static func word(_ words: [String]) -> TextForm {
        TextForm("one of `\(words.joined(separator: "`, `"))`", words: words) { text, what in
            words.contains(text) ? nil : "\(what) must be \(words.joined(separator: " or ")), not '\(text)'"
        }
    }

    static let plainName = TextForm("a name", pattern: "^[A-Za-z0-9._-]+$") { text, _ in
        Label.isName(text) ? nil : "'\(text)' can't be a name: use letters, digits, '.', '_' and '-'"
    }

    static let label = TextForm("a label", pattern: #"^(//[A-Za-z0-9._/-]*)?:[A-Za-z0-9._-]+(\[.*\])?$"#) { text, _ in
        Label(text, in: "") != nil ? nil : "'\(text)' is not a label; write //folder:name, or :name for one of this file"
    }

    static let visibility = TextForm("`//folder/...` or a label", pattern: #"^//"#) { text, _ in
        Visibility.Pattern(text) != nil
            ? nil
            : "'\(text)' says of nobody that they may use it; write //folder/... for a folder and those below, or //folder:name"
    }

    /// A parameter is written as `${name}`.
    static let parameterName = TextForm("a parameter's name", pattern: "^[a-z][a-z0-9_]*$") { text, _ in
        isIdentifier(text) ? nil : "'\(text)' can't be a parameter's name: use a-z, 0-9 and '_'"
    }

    static let templateVariable = TextForm("a variable's name", pattern: "^[a-z][a-z0-9_]*$") { text, _ in
        isIdentifier(text) ? nil : "'\(text)' can't be a template's variable: use a-z, 0-9 and '_'"
    }

    static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLower(first), text.utf8.count <= 64 else { return false }
        return text.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
    }

    /// 64 lower-case hexadecimal digits.
    static let digest = TextForm("a SHA-256 in hexadecimal", pattern: "^[0-9a-f]{64}$") { text, what in
        text.utf8.count == 64 && text.utf8.allSatisfy({ isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) })
            ? nil : "\(what) must be the 64 lower-case hexadecimal digits of a SHA-256, not '\(text.prefix(70))'"
    }

    static let size = TextForm("a size", pattern: "^[0-9.]+ ?([KMGT]i?)?B?$") { text, what in
        ByteCount(text) != nil ? nil : "\(what) must be a size like 64M or 2G, not '\(text)'"
    }

    static let duration = TextForm("a duration", pattern: "^[0-9]+(s|m|h)$") { text, what in
        seconds(text).map { $0 > 0 } == true ? nil : "\(what) must be a duration like 90s, 10m or 2h, not '\(text)'"
    }

    /// A wait, which there need not be.
    static let wait = TextForm("a duration or 0s", pattern: "^[0-9]+(s|m|h)$") { text, what in
        seconds(text) != nil ? nil : "\(what) must be a duration like 0s, 90s, 10m or 2h, not '\(text)'"
    }

    /// `90s`, `10m`, `2h` as seconds, a day at most.
    static func seconds(_ text: String) -> Int? {
        guard let unit = ["s": 1, "m": 60, "h": 3600][text.suffix(1)], let number = Int(text.dropLast()),
            (0...86400).contains(number), number * unit <= 86400, !text.hasPrefix("+")
        else { return nil }
        return number * unit
    }
}
