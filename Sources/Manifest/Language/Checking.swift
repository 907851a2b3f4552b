import Spec

/// A mapping that has been checked against its description, with what is in it: values have their kinds, so reading
/// them can't fail.
struct CheckedMapping: Sendable {
    let schema: MappingSchema
    let place: ManifestError.Place
    private let values: [String: YAMLNode]

    /// Checks a node and all it holds.
    ///
    /// - Throws: `ManifestError` with the first thing that isn't as the description wants it.
    init(_ node: YAMLNode, _ schema: MappingSchema) throws(ManifestError) {
        self.schema = schema
        place = node.place
        if let shorthand = schema.shorthand, let key = schema.key(shorthand), node.isScalar {
            try Self.check(node, key.kind, schema.what)
            values = [shorthand: node]
            return
        }
        let entries = try node.entries(
            schema.what, keys: schema.keys.map(\.name), older: schema.keys.flatMap(\.older),
            alternative: schema.shorthand == nil ? "" : "a text or ")
        var values: [String: YAMLNode] = [:]
        for (key, value) in entries {
            guard let known = schema.key(key) else { continue }
            try Self.check(value, known.kind, "'\(key)'")
            guard values.updateValue(value, forKey: known.name) == nil else {
                throw value.fail("'\(key)' is an older name of '\(known.name)', which is there, too")
            }
        }
        self.values = values
        for key in schema.keys where key.isRequired && values[key.name] == nil {
            throw node.fail("\(schema.what) needs the key '\(key.name)'")
        }
        for group in schema.oneOf {
            let given = group.filter { values[$0] != nil }
            let names = group.map { "'\($0)'" }
            if given.isEmpty {
                throw node.fail("\(schema.what) needs \(names.dropLast().joined(separator: ", ")) or \(names.last!)")
            }
            if given.count > 1 {
                throw values[given[1]]!.fail("\(schema.what) can't have both '\(given[0])' and '\(given[1])'")
            }
        }
        if !schema.someOf.isEmpty, !schema.someOf.contains(where: { values[$0] != nil }) {
            throw node.fail("\(schema.what) needs one of the keys \(schema.someOf.joined(separator: ", "))")
        }
    }

    private static func check(_ node: YAMLNode, _ kind: ValueKind, _ what: String) throws(ManifestError) {
        switch kind {
        case .text(let form): try check(node, form, what)
        case .setting(let kind):
            let text = try node.string(what)
            do { _ = try kind.value(of: text) } catch { throw node.fail(error.sentence(what)) }
        case .boolean: _ = try node.boolean(what)
        case .integer(let range): _ = try node.integer(what, in: range)
        case .list(let kind): for entry in try node.list(what) { try check(entry, kind, "an entry of \(what)") }
        case .table(let form):
            for (key, value) in try node.table(what) {
                try check(key, form, "a key of \(what)")
                _ = try value.string("'\(key.text)'")
            }
        case .mapping(let schema): _ = try CheckedMapping(node, schema)
        case .wordOrMapping(let word, let schema):
            guard !node.isScalar else {
                guard node.text == word else { throw node.fail("\(what) must be '\(word)' or a mapping, not '\(node.text)'") }
                return
            }
            _ = try CheckedMapping(node, schema)
        }
    }

    private static func check(_ node: YAMLNode, _ form: TextForm, _ what: String) throws(ManifestError) {
        let text = try node.string(what)
        if let fault = form.fault(text, what) { throw node.fail(fault) }
    }
}

/// Reading what has been checked.
extension CheckedMapping {
    subscript(key: String) -> YAMLNode? { values[key] }

    func place(of key: String) -> ManifestError.Place { values[key]?.place ?? place }

    func text(_ key: String) -> String? { values[key].map(\.text) }

    func located(_ key: String) -> Located<String>? { values[key].map { Located($0.text, at: $0.place) } }

    func isTrue(_ key: String) -> Bool? { values[key].map { $0.text == "true" } }

    func number(_ key: String) -> UInt32? { values[key].flatMap { UInt32($0.text) } }

    /// Octal digits as a number.
    func mode(_ key: String, default value: UInt32) -> UInt32 { text(key).flatMap { UInt32($0, radix: 8) } ?? value }

    /// A list of texts; empty when there is none.
    func texts(_ key: String) -> [Located<String>] {
        (values[key]?.elements ?? []).map { Located($0.text, at: $0.place) }
    }

    /// A table's entries in the order of their names; the place is that of the value.
    func table(_ key: String) -> [(name: String, value: Located<String>)] {
        (values[key]?.pairs ?? []).map { ($0.0.text, Located($0.1.text, at: $0.1.place)) }.sorted { $0.0 < $1.0 }
    }

    func mapping(_ key: String) throws(ManifestError) -> CheckedMapping? {
        guard let node = values[key] else { return nil }
        switch schema.key(key)?.kind {
        case .mapping(let inner): return try CheckedMapping(node, inner)
        case .wordOrMapping(_, let inner): return node.isScalar ? nil : try CheckedMapping(node, inner)
        default: return nil
        }
    }

    func mappings(_ key: String) throws(ManifestError) -> [CheckedMapping] {
        guard let node = values[key], case .list(of: .mapping(let inner)) = schema.key(key)?.kind else { return [] }
        var mappings: [CheckedMapping] = []
        for entry in node.elements { mappings.append(try CheckedMapping(entry, inner)) }
        return mappings
    }
}
