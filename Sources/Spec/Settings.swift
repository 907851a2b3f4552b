/// A group of settings with a table of fields. Reading, writing, checks, comparison and descriptions use the table, so that a setting is
/// defined in one place (docs/adding-a-setting.md).
public protocol Settings: Sendable, Equatable, Codable {
    /// Name in the API's documents: `Limits`.
    static var name: String { get }
    /// One sentence.
    static var about: String { get }
    static var fields: [Field<Self>] { get }
    /// Fields of which there must be exactly one; empty for no such rule.
    static var oneOf: [String] { get }
    /// A field whose value people may write in place of all.
    static var shorthand: String? { get }
    /// Nothing set; what is required has no value that means anything.
    init()
}

extension Settings {
    public static var oneOf: [String] { [] }
    public static var shorthand: String? { nil }

    public static var table: SettingsTable {
        SettingsTable(name: name, about: about, fields: fields.map(\.description), oneOf: oneOf, shorthand: shorthand)
    }

    /// The fields that have a value.
    public var json: JSONValue {
        .object(Dictionary(uniqueKeysWithValues: values.map { ($0.name.json, $0.value) }))
    }

    /// - Throws: `FieldFault` for the first value that can't be.
    public init(checking json: JSONValue) throws(FieldFault) {
        try FieldKind.settings(Self.table).check(json)
        try self.init(reading: json)
    }

    /// Takes what has its kind, whatever its bounds, and leaves out what isn't known: a value that was checked by whoever took it, perhaps
    /// by another version.
    init(reading json: JSONValue) throws(FieldFault) {
        guard case .object(let values) = json else { throw FieldFault("", "must be an object, not \(json.kind)") }
        self.init()
        for field in Self.fields {
            guard let value = values[field.name.json], value != .null else {
                if field.description.isRequired { throw FieldFault(field.name.json, "it is missing") }
                continue
            }
            do throws(FieldFault) { try field.write(&self, value) } catch { throw error.inside(field.name.json) }
        }
        guard Self.oneOf.isEmpty || Self.oneOf.filter({ values[$0] ?? .null != .null }).count == 1 else {
            throw FieldFault("", "needs exactly one of \(Self.oneOf.joined(separator: ", "))")
        }
    }

    public init(from decoder: any Decoder) throws {
        let json = JSONValue.object(try Self.table.values(in: decoder.container(keyedBy: FieldKey.self)))
        do throws(FieldFault) {
            try self.init(reading: json)
        } catch {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "\(error.path): \(error.reason)", underlyingError: error))
        }
    }

    public func encode(to encoder: any Encoder) throws { try json.encode(to: encoder) }

    /// - Throws: `FieldFault` for the first value out of its bounds.
    public func check() throws(FieldFault) { try FieldKind.settings(Self.table).check(json) }

    /// The values that are set, in the table's order.
    public var values: [(name: FieldName, value: JSONValue)] {
        Self.fields.compactMap { field in field.read(self).map { (field.name, $0) } }
    }

    public static func field(_ name: String) -> Field<Self>? { fields.first { $0.name.json == name } }

    /// Returns false for a name that no field has, and for a value that the field can't have.
    public mutating func set(_ name: FieldName, to value: JSONValue) -> Bool {
        guard let field = Self.field(name.json), (try? field.kind.check(value)) != nil else { return false }
        return (try? field.write(&self, value)) != nil
    }

    /// True if no value is set.
    public var isEmpty: Bool { values.isEmpty }

    /// Takes the values that a change has, and lifts what it lifts.
    ///
    /// - Parameter lifted: names of fields, as JSON has them.
    /// - Throws: `FieldFault` for a name that no field has, and for one that is both set and lifted.
    public mutating func apply(_ change: Self, lifting lifted: [String]) throws(FieldFault) {
        for (index, name) in lifted.enumerated() {
            guard let field = Self.field(name), let lift = field.lift else {
                let names = Self.fields.filter { $0.lift != nil }.map(\.name.json).sorted().joined(separator: ", ")
                throw FieldFault("lift[\(index)]", "there is no '\(name)' to be lifted; there are \(names)")
            }
            guard field.read(change) == nil else { throw FieldFault(name, "can't be both set and lifted") }
            lift(&self)
        }
        for field in Self.fields { if let value = field.read(change) { try field.write(&self, value) } }
    }

    /// The values for people: `memory 1G, cpu 0.5`.
    public var summary: String {
        Self.fields.compactMap { field in field.read(self).map { "\(field.name.spoken) \(field.kind.text(of: $0))" } }
            .joined(separator: ", ")
    }

    /// A value as people write it, for the field of that name.
    ///
    /// - Throws: `FieldFault` with the field's name.
    public mutating func set(_ name: FieldName, written text: String) throws(FieldFault) {
        guard let field = Self.field(name.json) else { throw FieldFault(name.json, "there is no such field") }
        do throws(FieldFault) {
            try field.write(&self, try field.kind.value(of: text))
        } catch { throw error.inside(name.json) }
    }
}
