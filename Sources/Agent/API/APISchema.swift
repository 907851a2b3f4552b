import Spec

/// What a value of the API may be: what the server checks requests by, and what the OpenAPI document says.
indirect enum APISchema: Sendable {
    /// Text without NUL, of so many characters (Unicode scalars).
    case text(ClosedRange<Int> = 0...4096)
    /// One of some words.
    case word([String])
    case integer(ClosedRange<Int64>)
    case number(ClosedRange<Double>)
    case boolean
    case list(of: APISchema, atMost: Int = 1000)
    /// An object with any keys.
    case table(of: APISchema, atMost: Int = 1000)
    case object(APIObject)
    /// A setting's value (`Spec`).
    case setting(FieldKind)
    /// Anything.
    case any

    static let count = APISchema.integer(0...Int64.max)
    /// A size that somebody asks for, up to an exbibyte.
    static let bytes = APISchema.integer(0...1 << 60)
    static let seconds = APISchema.number(0...31_536_000)

    static func word<Word: RawRepresentable<String> & CaseIterable>(_ type: Word.Type) -> APISchema {
        .word(Word.allCases.map(\.rawValue))
    }
}

/// A field of an object, or a parameter of a query.
struct APIField: Sendable {
    let name: String
    let schema: APISchema
    let about: String
    let isRequired: Bool

    init(_ name: String, _ schema: APISchema, _ about: String, required: Bool = false) {
        self.name = name
        self.schema = schema
        self.about = about
        isRequired = required
    }
}

/// An object with known fields.
struct APIObject: Sendable {
    let name: String
    let about: String
    let fields: [APIField]
    /// Fields of which there must be exactly one; empty for no such rule.
    var oneOf: [String] = []
    /// Whether clients send it: a field that isn't known is refused then, while answers may have new ones.
    let isSent: Bool

    init(_ name: String, _ about: String, sent: Bool = false, oneOf: [String] = [], _ fields: [APIField]) {
        self.name = name
        self.about = about
        self.fields = fields
        self.oneOf = oneOf
        isSent = sent
    }

    /// Settings, as clients send them.
    init<Value: Settings>(_ settings: Value.Type) { self.init(Value.table) }

    init(_ table: SettingsTable) {
        self.init(
            table.name, table.about, sent: true, oneOf: table.oneOf,
            table.fields.map { APIField($0.name.json, .setting($0.kind), $0.about, required: $0.isRequired) })
    }
}

extension APISchema {
    /// The JSON Schema of OpenAPI 3.1; objects are named below `#/components/schemas`.
    var json: JSONValue {
        switch self {
        case .text(let length):
            [
                "type": "string", "minLength": .integer(Int64(length.lowerBound)),
                "maxLength": .integer(Int64(length.upperBound)),
                "pattern": "^[^\\u0000]*$",
            ]
        case .word(let words): ["type": "string", "enum": .list(words.map { .text($0) })]
        case .integer(let range):
            ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
        case .number(let range):
            ["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
        case .boolean: ["type": "boolean"]
        case .list(let element, let most): ["type": "array", "items": element.json, "maxItems": .integer(Int64(most))]
        case .table(let element, let most):
            ["type": "object", "additionalProperties": element.json, "maxProperties": .integer(Int64(most))]
        case .object(let object): ["$ref": .text("#/components/schemas/\(object.name)")]
        case .setting(let kind): Self.json(of: kind)
        case .any: [:]
        }
    }

    private static func json(of kind: FieldKind) -> JSONValue {
        switch kind {
        case .bytes(let range), .cores(let range):
            APISchema.integer(Int64(range.lowerBound)...Int64(range.upperBound)).json
        case .count(let range): APISchema.integer(range).json
        case .seconds(let range): APISchema.number(range).json
        case .word(let words, _): APISchema.word(words).json
        case .flag: APISchema.boolean.json
        case .text(_, let length): APISchema.text(length).json
        case .list(let element, let count):
            [
                "type": "array", "items": json(of: element), "minItems": .integer(Int64(count.lowerBound)),
                "maxItems": .integer(Int64(count.upperBound)),
            ]
        case .table(_, let length, let most): APISchema.table(of: .text(length), atMost: most).json
        case .settings(let table): ["$ref": .text("#/components/schemas/\(table.name)")]
        }
    }

    /// The objects that it is made of.
    var objects: [APIObject] {
        switch self {
        case .object(let object): [object] + object.fields.flatMap(\.schema.objects)
        case .list(let element, _), .table(let element, _): element.objects
        case .setting(.settings(let table)): APISchema.object(APIObject(table)).objects
        case .setting(.list(let element, _)): APISchema.setting(element).objects
        default: []
        }
    }
}

extension APIObject {
    var json: JSONValue {
        var properties: [String: JSONValue] = [:]
        for field in fields {
            guard case .object(var schema) = field.schema.json else { continue }
            schema["description"] = .text(field.about)
            properties[field.name] = .object(schema)
        }
        var object: [String: JSONValue] = [
            "type": "object", "description": .text(about), "properties": .object(properties),
            "required": .list(fields.filter(\.isRequired).map { .text($0.name) }),
        ]
        if isSent { object["additionalProperties"] = false }
        if !oneOf.isEmpty { object["oneOf"] = .list(oneOf.map { ["required": [.text($0)]] }) }
        return .object(object)
    }
}
