import Spec

/// Where a file's content comes from.
public enum FileContent: Sendable, Equatable, Encodable {
    case text(String)
    case source(Located<SourceFile>)
    /// A source in which `${name}` stands for a variable's value.
    case template(Located<SourceFile>, [String: String])

    static let keys = [
        KeySchema("text", .text(.any), "Its content."),
        KeySchema("source", .text(.source), "A file below this file's folder that holds its content."),
    ]

    static let templateKeys = [
        KeySchema(
            "template", .text(.source),
            "A file below this file's folder in which `${name}` stands for a variable's value and `$${` for `${`."),
        KeySchema(
            "variables", .table(.templateVariable), default: "none",
            "The template's variables. One that is used and not declared, or declared and not used, is an error."),
    ]

    init(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) {
        if mapping["variables"] != nil, mapping["template"] == nil {
            throw ManifestError(mapping.place(of: "variables"), "'variables' are for a 'template'")
        }
        if let text = mapping.text("text") {
            self = .text(text)
        } else if let source = mapping.located("source") {
            self = .source(context.source(source))
        } else if let template = mapping.located("template") {
            let variables = mapping.table("variables").map { ($0.name, $0.value.value) }
            self = .template(context.source(template), Dictionary(variables) { $1 })
        } else {
            self = .text("")
        }
    }

    public var source: Located<SourceFile>? {
        switch self {
        case .text: nil
        case .source(let source), .template(let source, _): source
        }
    }
}
