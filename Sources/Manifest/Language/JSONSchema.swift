import Spec

/// The languages as JSON Schemas (draft 2020-12), which editors complete and check with.
public enum JSONSchema {
    /// That of `IMAGES.yaml`.
    public static var text: String { document(ImageLanguage.file, "\(ImageFile.name) of Butterdish") }

    /// That of files of jobs.
    public static var jobs: String { document(JobLanguage.file, "Jobs of Butterdish") }

    static func document(_ file: MappingSchema, _ title: String) -> String {
        var definitions: [String: OrderedJSON] = [:]
        let file = reference(file, &definitions)
        let document: OrderedJSON = .object([
            ("$schema", "https://json-schema.org/draft/2020-12/schema"),
            ("title", .string(title)),
            ("$ref", file),
            ("$defs", .object(definitions.sorted { $0.key < $1.key })),
        ])
        return document.text()
    }

    /// Puts a mapping's schema among the definitions and returns its address.
    private static func reference(_ schema: MappingSchema, _ definitions: inout [String: OrderedJSON]) -> OrderedJSON {
        let name = String(
            schema.title.lowercased().map { $0.isLetter || $0 == "_" ? $0 : "-" }.split(separator: "-").joined(separator: "-"))
        if definitions[name] == nil {
            definitions[name] = .null
            definitions[name] = object(schema, &definitions)
        }
        return .string("#/$defs/\(name)")
    }

    private static func object(_ schema: MappingSchema, _ definitions: inout [String: OrderedJSON]) -> OrderedJSON {
        var properties: [(String, OrderedJSON)] = []
        for key in schema.keys {
            var fields = kind(key.kind, &definitions)
            fields.append(("description", .string(key.meaning)))
            properties.append((key.name, .object(fields)))
        }
        var fields: [(String, OrderedJSON)] = [
            ("type", "object"), ("properties", .object(properties)), ("additionalProperties", .boolean(false)),
        ]
        let required = schema.keys.filter(\.isRequired).map { OrderedJSON.string($0.name) }
        if !required.isEmpty { fields.append(("required", .list(required))) }
        for group in schema.oneOf {
            fields.append(("oneOf", .list(group.map { .object([("required", .list([.string($0)]))]) })))
        }
        if !schema.someOf.isEmpty {
            fields.append(("anyOf", .list(schema.someOf.map { .object([("required", .list([.string($0)]))]) })))
        }
        guard let shorthand = schema.shorthand.flatMap({ schema.key($0) }) else { return .object(fields) }
        return .object([("anyOf", .list([.object(kind(shorthand.kind, &definitions)), .object(fields)]))])
    }

    private static func kind(_ kind: ValueKind, _ definitions: inout [String: OrderedJSON]) -> [(String, OrderedJSON)] {
        switch kind {
        case .text(let form): text(form)
        case .setting(let kind): setting(kind)
        case .boolean: [("type", "boolean")]
        case .integer(let range):
            [("type", "integer"), ("minimum", .number(Int(range.lowerBound))), ("maximum", .number(Int(range.upperBound)))]
        case .list(let element): [("type", "array"), ("items", .object(self.kind(element, &definitions)))]
        case .table(let form):
            [
                ("type", "object"), ("propertyNames", .object(form.pattern.map { [("pattern", .string($0))] } ?? [])),
                ("additionalProperties", .object(text(.any))),
            ]
        case .mapping(let schema): [("$ref", reference(schema, &definitions))]
        case .wordOrMapping(let word, let schema):
            [("anyOf", .list([.object([("const", .string(word))]), .object([("$ref", reference(schema, &definitions))])]))]
        }
    }

    /// As people write it.
    private static func setting(_ kind: FieldKind) -> [(String, OrderedJSON)] {
        switch kind {
        case .count(let range):
            [("type", "integer"), ("minimum", .number(Int(range.lowerBound))), ("maximum", .number(Int(range.upperBound)))]
        case .flag: [("type", "boolean")]
        case .word(let words, let older): [("enum", .list((words + older.keys.sorted()).map { .string($0) }))]
        default: text(TextForm("", pattern: kind.pattern))
        }
    }

    /// Numbers and booleans without quotes are texts too.
    private static func text(_ form: TextForm) -> [(String, OrderedJSON)] {
        if !form.words.isEmpty { return [("enum", .list(form.words.map { .string($0) }))] }
        var fields: [(String, OrderedJSON)] = [("type", .list(["string", "number", "boolean"]))]
        // A parameter's value, which is known when the target is used.
        if let pattern = form.pattern { fields.append(("pattern", .string("(?:\(pattern))|\\$\\{[a-z][a-z0-9_]*\\}"))) }
        return fields
    }
}

/// A JSON value whose objects keep their order.
enum OrderedJSON: ExpressibleByStringLiteral {
    case null
    case boolean(Bool)
    case number(Int)
    case string(String)
    case list([OrderedJSON])
    case object([(String, OrderedJSON)])

    init(stringLiteral text: String) { self = .string(text) }

    func text(indentation: String = "") -> String {
        let inner = indentation + "  "
        switch self {
        case .null: return "null"
        case .boolean(let value): return "\(value)"
        case .number(let value): return "\(value)"
        case .string(let text): return Self.quoted(text)
        case .list(let entries):
            return "[\(entries.map { $0.text(indentation: inner) }.joined(separator: ", "))]"
        case .object(let entries):
            guard !entries.isEmpty else { return "{}" }
            let lines = entries.map { "\(inner)\(Self.quoted($0.0)): \($0.1.text(indentation: inner))" }
            return "{\n\(lines.joined(separator: ",\n"))\n\(indentation)}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
