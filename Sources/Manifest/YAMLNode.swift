/// A value of a YAML document and where it stands.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        /// Numbers and booleans are texts as they are written; plain is what stands without quotes.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    var content: Content
    let place: ManifestError.Place

    func fail(_ message: String) -> ManifestError { ManifestError(place, message) }

    var isScalar: Bool {
        if case .scalar = content { true } else { false }
    }

    /// A scalar's text; empty for anything else.
    var text: String {
        if case .scalar(let text, _) = content { text } else { "" }
    }

    /// A list's entries; none for anything else.
    var elements: [YAMLNode] {
        if case .list(let entries) = content { entries } else { [] }
    }

    /// A mapping's entries; none for anything else.
    var pairs: [(key: YAMLNode, value: YAMLNode)] {
        if case .mapping(let entries) = content { entries } else { [] }
    }

    /// What it is, for a message.
    private var kind: String {
        switch content {
        case .scalar(let text, _): text.isEmpty ? "nothing" : "'\(text.prefix(40))'"
        case .mapping: "a mapping"
        case .list: "a list"
        }
    }
}

/// Reading values, with checks that say what was expected.
extension YAMLNode {
    func string(_ what: String) throws(ManifestError) -> String {
        guard case .scalar(let text, let isPlain) = content, !isPlain || !text.isEmpty else {
            throw fail("\(what) must be a text, not \(kind)")
        }
        return text
    }

    func boolean(_ what: String) throws(ManifestError) -> Bool {
        guard case .scalar(let text, true) = content, ["true", "false"].contains(text) else {
            throw fail("\(what) must be true or false, not \(kind)")
        }
        return text == "true"
    }

    func integer(_ what: String, in range: ClosedRange<UInt32>) throws(ManifestError) -> UInt32 {
        guard case .scalar(let text, _) = content, let value = UInt32(text), range.contains(value) else {
            throw fail("\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound), not \(kind)")
        }
        return value
    }

    func list(_ what: String) throws(ManifestError) -> [YAMLNode] {
        guard case .list(let entries) = content else { throw fail("\(what) must be a list, not \(kind)") }
        return entries
    }

    /// A mapping whose keys people choose.
    func table(_ what: String) throws(ManifestError) -> [(key: YAMLNode, value: YAMLNode)] {
        guard case .mapping(let entries) = content else { throw fail("\(what) must be a mapping of names to texts, not \(kind)") }
        return entries
    }

    /// A mapping's entries, in the order they are written, of which only some keys are allowed.
    ///
    /// - Parameters:
    ///   - older: keys that are allowed, and not spoken of.
    ///   - alternative: what may stand instead of a mapping, with "or": for the message.
    func entries(
        _ what: String, keys: [String], older: [String] = [], alternative: String = ""
    ) throws(ManifestError) -> [(String, YAMLNode)] {
        guard case .mapping(let mapping) = content else {
            throw fail("\(what) must be \(alternative)a mapping with the keys \(keys.joined(separator: ", ")), not \(kind)")
        }
        var entries: [(String, YAMLNode)] = []
        for (key, value) in mapping {
            let name = try key.string("a key of \(what)")
            guard keys.contains(name) || older.contains(name) else {
                let hint = nearest(to: name, among: keys).map { "; did you mean '\($0)'?" } ?? ""
                throw key.fail("unknown key '\(name)' in \(what)\(hint) (known: \(keys.joined(separator: ", ")))")
            }
            entries.append((name, value))
        }
        return entries
    }
}

/// The known word within two edits of a misspelt one.
func nearest(to word: String, among known: [String]) -> String? {
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
