import Yams

/// A YAML node and where it stands, read with checks that say what was expected.
struct YAMLNode {
    let node: Node
    let file: String

    static let sizeLimit = 1 << 20

    /// The document in a file's text; nil when it is empty.
    static func document(_ text: String, file: String) throws(ManifestError) -> YAMLNode? {
        guard text.utf8.count <= sizeLimit else {
            throw ManifestError(.init(file: file, line: 1, column: 1), "the file is larger than 1 MiB")
        }
        do {
            return try Yams.compose(yaml: text).map { YAMLNode(node: $0, file: file) }
        } catch let error as YamlError {
            throw ManifestError(place(of: error, file), message(of: error))
        } catch {
            throw ManifestError(.init(file: file, line: 1, column: 1), "\(error)")
        }
    }

    var place: ManifestError.Place {
        ManifestError.Place(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    func fail(_ message: String) -> ManifestError {
        ManifestError(place, message)
    }

    /// A string. Numbers and booleans are taken as they are written.
    func string(_ what: String) throws(ManifestError) -> String {
        guard case .scalar(let scalar) = node, node.tag != Tag(.null) || !scalar.string.isEmpty else {
            throw fail("\(what) must be a string, not \(kind)")
        }
        return scalar.string
    }

    func boolean(_ what: String) throws(ManifestError) -> Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain, ["true", "false"].contains(scalar.string) else {
            throw fail("\(what) must be true or false, not \(kind)")
        }
        return scalar.string == "true"
    }

    func integer(_ what: String, in range: ClosedRange<UInt32>) throws(ManifestError) -> UInt32 {
        guard case .scalar(let scalar) = node, let value = UInt32(scalar.string), range.contains(value) else {
            throw fail("\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(kind)")
        }
        return value
    }

    func list(_ what: String) throws(ManifestError) -> [YAMLNode] {
        guard case .sequence(let sequence) = node else { throw fail("\(what) must be a list, not \(kind)") }
        return sequence.map { YAMLNode(node: $0, file: file) }
    }

    /// A mapping of which only some keys are allowed.
    func mapping(_ what: String, keys: [String]) throws(ManifestError) -> YAMLMapping {
        guard case .mapping(let mapping) = node else {
            throw fail("\(what) must be a mapping with the keys \(keys.joined(separator: ", ")), not \(kind)")
        }
        var values: [String: YAMLNode] = [:]
        for (keyNode, value) in mapping {
            let key = YAMLNode(node: keyNode, file: file)
            let name = try key.string("a key of \(what)")
            guard keys.contains(name) else {
                let hint = nearest(to: name, among: keys).map { "; did you mean '\($0)'?" } ?? ""
                throw key.fail("unknown key '\(name)' in \(what)\(hint) (known: \(keys.joined(separator: ", ")))")
            }
            values[name] = YAMLNode(node: value, file: file)
        }
        return YAMLMapping(what: what, place: place, values: values)
    }

    /// What it is, for a message.
    private var kind: String {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "'\(scalar.string.prefix(40))'"
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
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

/// A mapping's values by key, all of them known.
struct YAMLMapping {
    let what: String
    let place: ManifestError.Place
    let values: [String: YAMLNode]

    subscript(key: String) -> YAMLNode? { values[key] }

    func required(_ key: String) throws(ManifestError) -> YAMLNode {
        guard let value = values[key] else { throw ManifestError(place, "\(what) needs the key '\(key)'") }
        return value
    }
}

/// The known word within two edits of a misspelt one.
private func nearest(to word: String, among known: [String]) -> String? {
    known.map { ($0, distance(Array(word), Array($0))) }.filter { $0.1 <= 2 }.min { $0.1 < $1.1 }?.0
}

/// The Levenshtein distance.
private func distance(_ left: [Character], _ right: [Character]) -> Int {
    var row = Array(0...right.count)
    for (i, l) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, r) in right.enumerated() {
            let substituted = diagonal + (l == r ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[right.count]
}
