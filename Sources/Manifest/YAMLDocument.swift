import Yams

/// Reading a YAML document: its syntax, and limits on its size.
enum YAMLDocument {
    /// Bytes.
    static let sizeLimit = 1 << 20
    /// An alias counts as often as it is used, so that a few lines can't stand for billions of values.
    static let valueLimit = 100_000

    /// The document in a file's text; nil when it is empty.
    static func read(_ text: String, file: String) throws(ManifestError) -> YAMLNode? {
        let start = ManifestError.Place(file: file, line: 1, column: 1)
        guard text.utf8.count <= sizeLimit else { throw ManifestError(start, "the file is larger than 1 MiB") }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw ManifestError(place(of: error, file), message(of: error))
        } catch {
            throw ManifestError(start, "not valid YAML: \(error)")
        }
        guard let root else { return nil }
        var left = valueLimit
        return try convert(root, file, &left)
    }

    private static func convert(_ node: Node, _ file: String, _ left: inout Int) throws(ManifestError) -> YAMLNode {
        let place = ManifestError.Place(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        left -= 1
        guard left >= 0 else { throw ManifestError(place, "the file has more than \(valueLimit) values, aliases followed") }
        switch node {
        case .scalar(let scalar): return YAMLNode(content: .scalar(scalar.string, isPlain: scalar.style == .plain), place: place)
        case .sequence(let sequence):
            var entries: [YAMLNode] = []
            for entry in sequence { entries.append(try convert(entry, file, &left)) }
            return YAMLNode(content: .list(entries), place: place)
        case .mapping(let mapping):
            var entries: [(key: YAMLNode, value: YAMLNode)] = []
            for (key, value) in mapping { entries.append((try convert(key, file, &left), try convert(value, file, &left))) }
            return YAMLNode(content: .mapping(entries), place: place)
        case .alias: throw ManifestError(place, "this alias can't be followed")
        }
    }

    private static func place(of error: YamlError, _ file: String) -> ManifestError.Place {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
            ManifestError.Place(file: file, line: mark.line, column: mark.column)
        case .duplicatedKeysInMapping(_, let context):
            ManifestError.Place(file: file, line: context.mark.line, column: context.mark.column)
        default: ManifestError.Place(file: file, line: 1, column: 1)
        }
    }

    private static func message(of error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _):
            "not valid YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, _):
            "the key '\(duplicates.first ?? "")' stands twice in this mapping"
        default: "not valid YAML: \(error)"
        }
    }
}
