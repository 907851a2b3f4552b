@testable import Manifest

/// The keys of the language, as `tests: files: mode`, and those that a file uses.
enum KeyUse {
    static func all(_ file: MappingSchema = ImageLanguage.file) -> Set<String> {
        var keys: Set<String> = []
        collect(file, into: &keys)
        return keys
    }

    static func used(in text: String, file: String, _ language: MappingSchema = ImageLanguage.file) throws -> Set<String> {
        var keys: Set<String> = []
        if let document = try YAMLDocument.read(text, file: file) { collect(document, language, into: &keys) }
        return keys
    }

    /// What is in an image has the same keys in an image and in a feature set.
    private static func name(_ key: KeySchema, of schema: MappingSchema) -> String {
        let isShared = schema.title == "features" && FeatureKeys.all.contains { $0.name == key.name }
        return "\(isShared ? "images" : schema.title): \(key.name)"
    }

    private static func collect(_ schema: MappingSchema, into keys: inout Set<String>) {
        for key in schema.keys where keys.insert(name(key, of: schema)).inserted {
            if let inner = mapping(in: key.kind) { collect(inner, into: &keys) }
        }
    }

    private static func collect(_ node: YAMLNode, _ schema: MappingSchema, into keys: inout Set<String>) {
        if node.isScalar, let shorthand = schema.shorthand, let key = schema.key(shorthand) {
            keys.insert(name(key, of: schema))
        }
        for (name, value) in node.pairs {
            guard let key = schema.key(name.text) else { continue }
            keys.insert(Self.name(key, of: schema))
            guard let inner = mapping(in: key.kind) else { continue }
            for entry in [value] + value.elements { collect(entry, inner, into: &keys) }
        }
    }

    private static func mapping(in kind: ValueKind) -> MappingSchema? {
        switch kind {
        case .mapping(let schema), .wordOrMapping(_, let schema): schema
        case .list(let element): mapping(in: element)
        default: nil
        }
    }
}
