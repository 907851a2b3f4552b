/// A key of settings in JSON.
struct FieldKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(_ name: FieldName) { stringValue = name.json }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// Decoding by the kinds of fields: what a value must be is known, so nothing has to be tried.
extension SettingsTable {
    /// The values of known fields that are there. Null is no value.
    func values(in container: KeyedDecodingContainer<FieldKey>) throws -> [String: JSONValue] {
        var values: [String: JSONValue] = [:]
        for field in fields {
            let key = FieldKey(field.name)
            guard container.contains(key), try !container.decodeNil(forKey: key) else { continue }
            values[field.name.json] = try field.kind.value(in: container, key)
        }
        return values
    }
}

extension FieldKind {
    fileprivate func value(in container: KeyedDecodingContainer<FieldKey>, _ key: FieldKey) throws -> JSONValue {
        switch self {
        case .bytes, .cores, .count: .integer(try container.decode(Int64.self, forKey: key))
        case .seconds: JSONValue(seconds: try container.decode(Double.self, forKey: key))
        case .word, .text: .text(try container.decode(String.self, forKey: key))
        case .flag: .boolean(try container.decode(Bool.self, forKey: key))
        case .table: .object(try container.decode([String: String].self, forKey: key).mapValues { .text($0) })
        case .settings(let table):
            .object(try table.values(in: container.nestedContainer(keyedBy: FieldKey.self, forKey: key)))
        case .list(.settings(let table), _):
            .list(try Self.list(of: table, container.nestedUnkeyedContainer(forKey: key)))
        case .list(.count, _): .list(try container.decode([Int64].self, forKey: key).map { .integer($0) })
        case .list: .list(try container.decode([String].self, forKey: key).map { .text($0) })
        }
    }

    private static func list(of table: SettingsTable, _ container: any UnkeyedDecodingContainer) throws -> [JSONValue] {
        var container = container
        var values: [JSONValue] = []
        while !container.isAtEnd {
            values.append(.object(try table.values(in: container.nestedContainer(keyedBy: FieldKey.self))))
        }
        return values
    }
}

extension JSONValue {
    /// Whole seconds are an integer.
    init(seconds: Double) { self = Int64(exactly: seconds).map { .integer($0) } ?? .number(seconds) }
}
