import Spec

/// Settings as YAML has them: a key for each field.
extension ValueKind {
    /// - Parameters:
    ///   - what: what the value is called in messages.
    ///   - title: its heading in references.
    init(_ kind: FieldKind, _ what: String, title: String) {
        switch kind {
        case .list(let element, _): self = .list(of: ValueKind(element, "an entry of \(what)", title: title))
        case .table(let names, _, _): self = .table(names)
        case .settings(let table): self = .mapping(MappingSchema(table, what, title: title))
        default: self = .setting(kind)
        }
    }
}

extension KeySchema {
    /// - Parameters:
    ///   - name: another name than the field's.
    ///   - parent: the heading of the mapping that it is a key of; nil for one whose keys have headings of their own.
    init(_ field: FieldDescription, name: String? = nil, in parent: String? = nil, required: Bool = false) {
        let name = name ?? field.name.key
        self.init(
            name, ValueKind(field.kind, "'\(name)'", title: parent.map { "\($0): \(name)" } ?? name),
            required: required || field.isRequired, default: field.standard, field.about, older: field.older)
    }
}

extension MappingSchema {
    init(_ table: SettingsTable, _ what: String, title: String) {
        self.init(
            what, title: title, oneOf: table.oneOf.isEmpty ? [] : [table.oneOf.map { FieldName($0).key }],
            shorthand: table.shorthand.map { FieldName($0).key }, table.fields.map { KeySchema($0, in: title) })
    }
}

/// Reading settings that have been checked against the schema of their table.
extension CheckedMapping {
    /// The value of a key as JSON, by the field that it is of; nil when it isn't there.
    ///
    /// - Parameter name: another name than the field's.
    func json(_ field: FieldDescription, name: String? = nil) throws(ManifestError) -> JSONValue? {
        let name = name ?? field.name.key
        guard let node = self[name] else { return nil }
        return try Self.json(node, field.kind, "'\(name)'")
    }

    private static func json(_ node: YAMLNode, _ kind: FieldKind, _ what: String) throws(ManifestError) -> JSONValue {
        switch kind {
        case .list(let element, _):
            var values: [JSONValue] = []
            for entry in node.elements { values.append(try json(entry, element, "an entry of \(what)")) }
            return try checked(.list(values), kind, node, what)
        case .table:
            let pairs = node.pairs.map { ($0.0.text, JSONValue.text($0.1.text)) }
            return try checked(.object(Dictionary(pairs) { $1 }), kind, node, what)
        case .settings(let table):
            let mapping = try CheckedMapping(node, MappingSchema(table, what, title: ""))
            var values: [String: JSONValue] = [:]
            for field in table.fields { values[field.name.json] = try mapping.json(field) }
            return try checked(.object(values), kind, node, what)
        default:
            do throws(FieldFault) {
                return try kind.value(of: node.text)
            } catch { throw node.fail(error.sentence(what)) }
        }
    }

    private static func checked(
        _ value: JSONValue, _ kind: FieldKind, _ node: YAMLNode, _ what: String
    ) throws(ManifestError) -> JSONValue {
        do throws(FieldFault) { try kind.check(value) } catch { throw node.fail(error.sentence(what)) }
        return value
    }
}
