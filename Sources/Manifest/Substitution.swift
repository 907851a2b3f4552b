import Spec

/// `${name}` in texts.
public enum Substitution {
    /// Replaces `${name}` by its value, and `$${` by `${`.
    ///
    /// - Parameter unknown: called with a name that has no value; what it returns is put there, or, for nil, the
    ///   text stays as it is.
    public static func apply<Failure: Error>(
        _ values: [String: String], to text: String, unknown: (String) throws(Failure) -> String?
    ) throws(Failure) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
                continue
            }
            guard rest.hasPrefix("${"), let end = rest.firstIndex(of: "}") else {
                result += "$"
                rest = rest.dropFirst()
                continue
            }
            let name = String(rest.dropFirst(2)[..<end])
            var value = values[name]
            if value == nil, TextForm.isIdentifier(name) { value = try unknown(name) }
            if let value {
                result += value
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    /// Fills a template's variables in: each that is used must be declared, and each declared used.
    ///
    /// - Throws: `TemplateFault`.
    public static func fill(_ template: String, with variables: [String: String]) throws(TemplateFault) -> String {
        var unused = Set(variables.keys)
        var lines: [String] = []
        for (index, line) in template.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            for name in variables.keys where line.contains("${\(name)}") { unused.remove(name) }
            lines.append(
                try apply(variables, to: String(line)) { name throws(TemplateFault) in
                    throw TemplateFault(
                        description:
                            "line \(index + 1) uses '${\(name)}', which is not among its 'variables'; a plain '${' is written '$${'"
                    )
                })
        }
        if let name = unused.min() { throw TemplateFault(description: "the variable '\(name)' is not used in it") }
        return lines.joined(separator: "\n")
    }
}

/// What is wrong with a template.
public struct TemplateFault: Error, CustomStringConvertible, Equatable {
    public let description: String
}
