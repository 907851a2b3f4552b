import Spec

/// What a value may be.
///
/// The whole language is described with these types, once: the parser checks against the description, and the JSON
/// Schema and the reference are printed from it.
indirect enum ValueKind: Sendable {
    case text(TextForm)
    /// A setting's value (`Spec`).
    case setting(FieldKind)
    case boolean
    case integer(ClosedRange<UInt32>)
    case list(of: ValueKind)
    /// Names that people choose, each with a text; the form is that of the names.
    case table(TextForm)
    case mapping(MappingSchema)
    /// The one text, or the mapping.
    case wordOrMapping(String, MappingSchema)
}

/// A key of a mapping.
struct KeySchema: Sendable {
    let name: String
    let kind: ValueKind
    let isRequired: Bool
    /// What holds when the key isn't there, in words; empty when that goes without saying.
    let standard: String
    /// One line.
    let meaning: String
    /// Names that it had, which are still understood.
    let older: [String]

    init(
        _ name: String, _ kind: ValueKind, required: Bool = false, default standard: String = "", _ meaning: String,
        older: [String] = []
    ) {
        self.older = older
        self.name = name
        self.kind = kind
        isRequired = required
        self.standard = standard
        self.meaning = meaning
    }
}

/// A mapping: which keys it may have.
struct MappingSchema: Sendable {
    /// With its article, as messages have it: "a file".
    let what: String
    /// A heading of the reference.
    let title: String
    let keys: [KeySchema]
    /// Groups of keys of which exactly one must be there.
    let oneOf: [[String]]
    /// Keys of which at least one must be there.
    let someOf: [String]
    /// A key whose text may stand in place of the whole mapping.
    let shorthand: String?

    init(
        _ what: String, title: String, oneOf: [[String]] = [], someOf: [String] = [], shorthand: String? = nil,
        _ keys: [KeySchema]
    ) {
        self.what = what
        self.title = title
        self.keys = keys
        self.oneOf = oneOf
        self.someOf = someOf
        self.shorthand = shorthand
    }

    func key(_ name: String) -> KeySchema? { keys.first { $0.name == name || $0.older.contains(name) } }
}
