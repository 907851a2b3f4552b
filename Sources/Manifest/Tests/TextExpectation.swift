import Spec

/// What a text must be like: a file's content, or what a command prints.
public struct TextExpectation: Sendable, Equatable, Encodable {
    /// The whole text, to the last line's end.
    public let equals: String?
    public let contains: [String]
    public let lacks: [String]
    /// Regular expressions, each of which is found somewhere; `^` and `$` match at each line.
    public let matches: [String]

    static let schema = MappingSchema(
        "an expected text", title: "tests: texts", someOf: ["equals", "contains", "lacks", "matches"],
        [
            KeySchema("equals", .text(.any), "All of it, line ends included."),
            KeySchema("contains", .list(of: .text(.any)), default: "none", "Texts that are in it."),
            KeySchema("lacks", .list(of: .text(.any)), default: "none", "Texts that are not in it."),
            KeySchema(
                "matches", .list(of: .text(.regularExpression)), default: "none",
                "Regular expressions that match somewhere in it; `^` and `$` stand for the ends of lines."),
        ])

    init(_ mapping: CheckedMapping) {
        equals = mapping.text("equals")
        contains = mapping.texts("contains").map(\.value)
        lacks = mapping.texts("lacks").map(\.value)
        matches = mapping.texts("matches").map(\.value)
    }

    /// What a text is not, in words that follow "it"; empty when it is as expected.
    public func faults(of text: String) -> [String] {
        var faults: [String] = []
        if let equals, equals != text { faults.append("must equal \(Self.quoted(equals))") }
        faults += contains.filter { !text.contains($0) }.map { "must contain \(Self.quoted($0))" }
        faults += lacks.filter { text.contains($0) }.map { "must not contain \(Self.quoted($0))" }
        faults += matches.filter { !Self.isMatch($0, text) }.map { "must match \(Self.quoted($0))" }
        return faults
    }

    private static func isMatch(_ pattern: String, _ text: String) -> Bool {
        // The pattern has been checked.
        guard let expression = try? Regex(pattern) else { return false }
        return text.firstMatch(of: expression.anchorsMatchLineEndings()) != nil
    }

    /// On one line.
    private static func quoted(_ text: String) -> String {
        let escaped = text.map { $0 == "\n" ? "\\n" : $0 == "\t" ? "\\t" : $0 == "\r\n" ? "\\r\\n" : String($0) }.joined()
        return "'\(escaped)'"
    }
}

extension TextForm {
    static let regularExpression = TextForm("a regular expression") { text, _ in
        do {
            _ = try Regex(text)
            return nil
        } catch {
            return "'\(text)' is not a regular expression: \(error)"
        }
    }
}
