import Spec

/// The languages as tables in Markdown: a section for each mapping, in the order in which they are first met.
public enum Reference {
    /// For `docs/build-language.md`.
    public static var text: String { text(of: ImageLanguage.file) }

    /// For `docs/jobs.md`.
    public static var jobs: String { text(of: JobLanguage.file) }

    static func text(of file: MappingSchema) -> String {
        var sections: [MappingSchema] = []
        collect(file, into: &sections)
        return sections.map(section).joined(separator: "\n")
    }

    private static func collect(_ schema: MappingSchema, into sections: inout [MappingSchema]) {
        guard !sections.contains(where: { $0.title == schema.title }) else { return }
        sections.append(schema)
        for key in schema.keys {
            if let inner = mapping(in: key.kind) { collect(inner, into: &sections) }
        }
    }

    private static func mapping(in kind: ValueKind) -> MappingSchema? {
        switch kind {
        case .mapping(let schema), .wordOrMapping(_, let schema): schema
        case .list(let element): mapping(in: element)
        default: nil
        }
    }

    private static func section(_ schema: MappingSchema) -> String {
        var lines = ["### \(schema.title)", ""]
        if let shorthand = schema.shorthand { lines += ["A text alone is its `\(shorthand)`.", ""] }
        for group in schema.oneOf {
            lines += ["Exactly one of \(group.map { "`\($0)`" }.joined(separator: ", ")) must be there.", ""]
        }
        if !schema.someOf.isEmpty {
            lines += ["At least one of \(schema.someOf.map { "`\($0)`" }.joined(separator: ", ")) must be there.", ""]
        }
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        for key in schema.keys {
            let standard = key.isRequired ? "required" : key.standard.isEmpty ? "–" : key.standard
            lines.append("| `\(key.name)` | \(describe(key.kind)) | \(standard) | \(key.meaning) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func describe(_ kind: ValueKind) -> String {
        switch kind {
        case .text(let form): form.name
        case .setting(let kind): kind.bounds
        case .boolean: "true or false"
        case .integer(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .list(of: .mapping(let schema)): "list of [\(schema.title)](#\(anchor(schema.title)))"
        case .list(let element): "list: \(describe(element))"
        case .table(let form): "mapping: \(form.name) to a text"
        case .mapping(let schema): "[\(schema.title)](#\(anchor(schema.title)))"
        case .wordOrMapping(let word, let schema): "`\(word)`, or [\(schema.title)](#\(anchor(schema.title)))"
        }
    }

    /// As Markdown renderers make them of headings.
    private static func anchor(_ title: String) -> String {
        title.lowercased().filter { $0.isLetter || $0 == " " || $0 == "_" }.replacing(" ", with: "-")
    }
}
