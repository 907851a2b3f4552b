/// The kind of a setting's value. Everything that reads, checks or describes a setting uses it.
public indirect enum FieldKind: Sendable {
    /// A size: bytes in JSON, `512M` for people.
    case bytes(ClosedRange<UInt64>)
    /// A number of processors: thousandths in JSON, `0.5` for people.
    case cores(ClosedRange<UInt64>)
    case count(ClosedRange<Int64>)
    /// A time: seconds in JSON, `90s`, `10m` or `2h` for people.
    case seconds(ClosedRange<Double>)
    /// One of some words; people may also write older ones.
    case word([String], older: [String: String] = [:])
    case flag
    /// Text of so many characters (Unicode scalars).
    case text(TextForm, ClosedRange<Int> = 0...4096)
    /// So many of a kind.
    case list(of: FieldKind, ClosedRange<Int>)
    /// Names that people choose, each with a text.
    case table(names: TextForm, texts: ClosedRange<Int>, atMost: Int)
    case settings(SettingsTable)
}

/// The description of a setting, without its owner's type.
public struct FieldDescription: Sendable {
    public let name: FieldName
    public let kind: FieldKind
    public internal(set) var isRequired = false
    /// The default, in words.
    public let standard: String
    /// One sentence.
    public let about: String
    /// Keys that it had in YAML, which are still understood.
    public internal(set) var older: [String] = []
}

/// The description of a settings type.
public struct SettingsTable: Sendable {
    /// As the API's documents call them: `Limits`.
    public let name: String
    /// One sentence.
    public let about: String
    public let fields: [FieldDescription]
    /// Fields of which there must be exactly one; empty for no such rule.
    public let oneOf: [String]
    /// A field whose value people may write in place of all.
    public let shorthand: String?

    public func field(_ name: String) -> FieldDescription? { fields.first { $0.name.json == name } }
}

extension FieldKind {
    /// - Throws: `FieldFault` without a path for a value that isn't of this kind, or beyond its bounds. It repeats a text only
    ///   where that has a form: those without may be secret.
    public func check(_ value: JSONValue) throws(FieldFault) {
        switch (self, value) {
        case (.bytes(let range), .integer(let number)), (.cores(let range), .integer(let number)):
            guard let number = UInt64(exactly: number), range.contains(number) else { throw FieldFault("", outside) }
        case (.count(let range), .integer(let number)):
            guard range.contains(number) else { throw FieldFault("", outside) }
        case (.seconds(let range), .integer(let number)):
            guard range.contains(Double(number)) else { throw FieldFault("", outside) }
        case (.seconds(let range), .number(let number)):
            guard range.contains(number) else { throw FieldFault("", outside) }
        case (.word(let words, _), .text(let text)):
            guard words.contains(text) else { throw FieldFault("", "must be \(Self.choice(words))") }
        case (.flag, .boolean): return
        case (.text(let form, let length), .text(let text)):
            guard !text.utf8.contains(0) else { throw FieldFault("", "can't have a NUL character in it") }
            let count = text.unicodeScalars.count
            // A form says more than a length, unless it would repeat a long text.
            if length.contains(count) || count < 256, let fault = form.fault(text) { throw FieldFault("", fault) }
            guard length.contains(count) else {
                throw FieldFault("", "must have \(length.lowerBound) to \(length.upperBound) characters, not \(count)")
            }
        case (.list(let element, let count), .list(let values)):
            guard count.contains(values.count) else {
                if values.isEmpty { throw FieldFault("", "can't be empty; leave it out") }
                throw FieldFault("", "can have \(count.upperBound) elements at most, not \(values.count)")
            }
            for (index, value) in values.enumerated() {
                do { try element.check(value) } catch { throw error.inside("[\(index)]") }
            }
        case (.table(let names, let length, let most), .object(let values)):
            guard values.count <= most else { throw FieldFault("", "can have \(most) entries at most, not \(values.count)") }
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                do {
                    try FieldKind.text(names).check(.text(name))
                    try FieldKind.text(.any, length).check(value)
                } catch { throw error.inside(name) }
            }
        case (.settings(let table), .object(let values)): try table.check(values)
        default: throw FieldFault("", "must be \(name), not \(value.kind)\(value == .null ? "; leave it out" : "")")
        }
    }

    static func choice(_ words: [String]) -> String {
        words.count < 2 ? words.joined() : "\(words.dropLast().joined(separator: ", ")) or \(words.last!)"
    }

    private var outside: String { "must be \(bounds)" }

    /// The kind of its JSON value, in words.
    var name: String {
        switch self {
        case .bytes, .cores, .count: "a whole number"
        case .seconds: "a number"
        case .word, .text: "text"
        case .flag: "true or false"
        case .list: "a list"
        case .table, .settings: "an object"
        }
    }
}

extension SettingsTable {
    /// - Throws: `FieldFault` for the first fault.
    public func check(_ values: [String: JSONValue]) throws(FieldFault) {
        for name in values.keys.sorted() where field(name) == nil {
            throw FieldFault(
                name, "there is no such field; there are \(fields.map(\.name.json).sorted().joined(separator: ", "))")
        }
        for field in fields {
            if let value = values[field.name.json] {
                do { try field.kind.check(value) } catch { throw error.inside(field.name.json) }
            } else if field.isRequired {
                throw FieldFault(field.name.json, "it is missing")
            }
        }
        guard oneOf.isEmpty || oneOf.filter({ values[$0] != nil }).count == 1 else {
            throw FieldFault("", "needs exactly one of \(oneOf.joined(separator: ", "))")
        }
    }
}
