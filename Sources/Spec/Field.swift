/// One setting: its description, and where its value is.
public struct Field<Owner: Sendable>: Sendable {
    public private(set) var description: FieldDescription
    /// Its value; nil where none is set.
    let read: @Sendable (Owner) -> JSONValue?
    /// Takes a value, whatever its bounds.
    ///
    /// - Throws: `FieldFault` without the field's name for one that hasn't its kind.
    let write: @Sendable (inout Owner, JSONValue) throws(FieldFault) -> Void
    /// Goes back to none; nil for a setting that always has a value.
    let lift: (@Sendable (inout Owner) -> Void)?

    public var name: FieldName { description.name }
    public var kind: FieldKind { description.kind }

    /// The same field, which must be there.
    public func required() -> Field {
        var field = self
        field.description.isRequired = true
        return field
    }

    /// The same field with a key that it had in YAML.
    public func older(_ key: String) -> Field {
        var field = self
        field.description.older.append(key)
        return field
    }
}

/// Rows of a table of fields. Of each there is one for a property that may have no value, and one for a property that always has.
extension Field {
    public typealias Path<Value> = any WritableKeyPath<Owner, Value> & Sendable

    /// - Parameters:
    ///   - encode: nil for no value.
    ///   - decode: nil for what isn't of the kind; a fault inside of what is.
    private static func always<Value: Sendable>(
        _ name: String, _ path: Path<Value>, _ kind: FieldKind, _ standard: String, _ about: String,
        _ encode: @escaping @Sendable (Value) -> JSONValue?,
        _ decode: @escaping @Sendable (JSONValue) throws(FieldFault) -> Value?
    ) -> Field {
        Field(
            description: FieldDescription(name: FieldName(name), kind: kind, standard: standard, about: about),
            read: { encode($0[keyPath: path]) },
            write: { (owner: inout Owner, value: JSONValue) throws(FieldFault) in
                owner[keyPath: path] = try kind.take(value, decode)
            }, lift: nil)
    }

    private static func perhaps<Value: Sendable>(
        _ name: String, _ path: Path<Value?>, _ kind: FieldKind, _ standard: String, _ about: String,
        _ encode: @escaping @Sendable (Value) -> JSONValue?,
        _ decode: @escaping @Sendable (JSONValue) throws(FieldFault) -> Value?
    ) -> Field {
        Field(
            description: FieldDescription(name: FieldName(name), kind: kind, standard: standard, about: about),
            read: { $0[keyPath: path].flatMap(encode) },
            write: { (owner: inout Owner, value: JSONValue) throws(FieldFault) in
                owner[keyPath: path] = try kind.take(value, decode)
            }, lift: { $0[keyPath: path] = nil })
    }

    public static func bytes(
        _ name: String, _ path: Path<UInt64?>, _ range: ClosedRange<UInt64>, default standard: String = "none", _ about: String
    ) -> Field { perhaps(name, path, .bytes(range), standard, about, Conversion.json, Conversion.integer) }

    /// - Parameter range: thousandths.
    public static func cores(
        _ name: String, _ path: Path<UInt64?>, _ range: ClosedRange<UInt64>, default standard: String = "none", _ about: String
    ) -> Field { perhaps(name, path, .cores(range), standard, about, Conversion.json, Conversion.integer) }

    public static func count<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<Number?>, _ range: ClosedRange<Int64>, default standard: String = "none", _ about: String
    ) -> Field { perhaps(name, path, .count(range), standard, about, Conversion.json, Conversion.integer) }

    public static func count<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<Number>, _ range: ClosedRange<Int64>, default standard: String = "", _ about: String
    ) -> Field { always(name, path, .count(range), standard, about, Conversion.json, Conversion.integer) }

    public static func seconds(
        _ name: String, _ path: Path<Double>, _ range: ClosedRange<Double>, default standard: String, _ about: String
    ) -> Field { always(name, path, .seconds(range), standard, about, Conversion.json, Conversion.number) }

    /// Whole seconds.
    public static func seconds<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<Number>, _ range: ClosedRange<Double>, default standard: String, _ about: String
    ) -> Field { always(name, path, .seconds(range), standard, about, Conversion.json, Conversion.integer) }

    public static func seconds<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<Number?>, _ range: ClosedRange<Double>, default standard: String, _ about: String
    ) -> Field { perhaps(name, path, .seconds(range), standard, about, Conversion.json, Conversion.integer) }

    public static func word<Word: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String, _ path: Path<Word>, older: [String: String] = [:], default standard: String, _ about: String
    ) -> Field {
        let kind = FieldKind.word(Word.allCases.map(\.rawValue), older: older)
        return always(
            name, path, kind, standard, about, { .text($0.rawValue) }, { Conversion.text($0).flatMap(Word.init(rawValue:)) })
    }

    public static func flag(_ name: String, _ path: Path<Bool>, default standard: String, _ about: String) -> Field {
        always(
            name, path, .flag, standard, about, { .boolean($0) },
            { value in if case .boolean(let boolean) = value { boolean } else { nil } })
    }

    public static func text(
        _ name: String, _ path: Path<String?>, _ form: TextForm, _ length: ClosedRange<Int> = 0...4096,
        default standard: String = "none", _ about: String
    ) -> Field { perhaps(name, path, .text(form, length), standard, about, { .text($0) }, Conversion.text) }

    public static func text(
        _ name: String, _ path: Path<String>, _ form: TextForm, _ length: ClosedRange<Int> = 0...4096,
        default standard: String = "", _ about: String
    ) -> Field { always(name, path, .text(form, length), standard, about, { .text($0) }, Conversion.text) }

    public static func texts(
        _ name: String, _ path: Path<[String]>, _ form: TextForm, _ length: ClosedRange<Int>, count: ClosedRange<Int>,
        default standard: String = "none", _ about: String
    ) -> Field {
        always(
            name, path, .list(of: .text(form, length), count), standard, about, { .list($0.map { .text($0) }) },
            { (json) throws(FieldFault) in try Conversion.list(json, Conversion.text) })
    }

    public static func texts(
        _ name: String, _ path: Path<[String]?>, _ form: TextForm, _ length: ClosedRange<Int>, count: ClosedRange<Int>,
        default standard: String = "none", _ about: String
    ) -> Field {
        perhaps(
            name, path, .list(of: .text(form, length), count), standard, about, { .list($0.map { .text($0) }) },
            { (json) throws(FieldFault) in try Conversion.list(json, Conversion.text) })
    }

    public static func counts<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<[Number]>, _ range: ClosedRange<Int64>, atMost most: Int,
        default standard: String = "none", _ about: String
    ) -> Field {
        always(
            name, path, .list(of: .count(range), 0...most), standard, about, { .list($0.compactMap(Conversion.json)) },
            { (json) throws(FieldFault) in try Conversion.list(json, Conversion.integer) })
    }

    public static func written<Value: Written>(
        _ name: String, _ path: Path<[Value]>, _ length: ClosedRange<Int> = 0...4096, atMost most: Int,
        default standard: String = "none", _ about: String
    ) -> Field {
        always(
            name, path, .list(of: .text(Value.checked, length), 0...most), standard, about,
            { .list($0.map { .text($0.description) }) },
            { (json) throws(FieldFault) in
                try Conversion.list(json) { (json) throws(FieldFault) in
                    guard let text = Conversion.text(json) else { return nil }
                    return try Value(parsing: text)
                }
            })
    }

    public static func table(
        _ name: String, _ path: Path<[String: String]>, names: TextForm, _ length: ClosedRange<Int>, atMost most: Int,
        default standard: String = "none", _ about: String
    ) -> Field {
        always(
            name, path, .table(names: names, texts: length, atMost: most), standard, about,
            { .object($0.mapValues { .text($0) }) }, Conversion.table)
    }

    public static func table(
        _ name: String, _ path: Path<[String: String]?>, names: TextForm, _ length: ClosedRange<Int>, atMost most: Int,
        default standard: String = "none", _ about: String
    ) -> Field {
        perhaps(
            name, path, .table(names: names, texts: length, atMost: most), standard, about,
            { .object($0.mapValues { .text($0) }) }, Conversion.table)
    }

    public static func settings<Value: Settings>(
        _ name: String, _ path: Path<Value>, default standard: String = "", _ about: String
    ) -> Field {
        always(
            name, path, .settings(Value.table), standard, about, { $0.json },
            { (json) throws(FieldFault) in try Value(reading: json) })
    }

    public static func optional<Value: Settings>(
        _ name: String, _ path: Path<Value?>, default standard: String = "", _ about: String
    ) -> Field {
        perhaps(
            name, path, .settings(Value.table), standard, about, { $0.json },
            { (json) throws(FieldFault) in try Value(reading: json) })
    }

    public static func list<Value: Settings>(
        _ name: String, _ path: Path<[Value]>, atMost most: Int, default standard: String = "none", _ about: String
    ) -> Field {
        always(
            name, path, .list(of: .settings(Value.table), 0...most), standard, about, { .list($0.map(\.json)) },
            { (json) throws(FieldFault) in try Conversion.list(json) { (json) throws(FieldFault) in try Value(reading: json) } })
    }
}

extension FieldKind {
    fileprivate func take<Value>(
        _ json: JSONValue, _ decode: (JSONValue) throws(FieldFault) -> Value?
    ) throws(FieldFault) -> Value {
        guard let value = try decode(json) else { throw FieldFault("", "must be \(name), not \(json.kind)") }
        return value
    }
}

/// Between JSON and Swift. Each is nil for what isn't of the kind.
private enum Conversion {
    @Sendable static func json<Number: FixedWidthInteger>(_ number: Number) -> JSONValue? { .integer(Int64(clamping: number)) }

    @Sendable static func json(_ number: Double) -> JSONValue? { JSONValue(seconds: number) }

    @Sendable static func integer<Number: FixedWidthInteger>(_ value: JSONValue) -> Number? {
        switch value {
        case .integer(let integer): Number(exactly: integer)
        case .number(let number): Number(exactly: number)
        default: nil
        }
    }

    @Sendable static func number(_ value: JSONValue) -> Double? {
        switch value {
        case .integer(let integer): Double(integer)
        case .number(let number): number
        default: nil
        }
    }

    @Sendable static func text(_ value: JSONValue) -> String? { if case .text(let text) = value { text } else { nil } }

    @Sendable static func list<Element>(
        _ value: JSONValue, _ element: (JSONValue) throws(FieldFault) -> Element?
    ) throws(FieldFault) -> [Element]? {
        guard case .list(let values) = value else { return nil }
        var elements: [Element] = []
        for (index, value) in values.enumerated() {
            do throws(FieldFault) {
                guard let element = try element(value) else { return nil }
                elements.append(element)
            } catch { throw error.inside("[\(index)]") }
        }
        return elements
    }

    @Sendable static func table(_ value: JSONValue) -> [String: String]? {
        guard case .object(let values) = value else { return nil }
        let texts = values.compactMapValues(text)
        return texts.count == values.count ? texts : nil
    }
}
