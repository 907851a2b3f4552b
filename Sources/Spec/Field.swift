/// One setting: its description, and where its value is.
public struct Field<Owner: Sendable>: Sendable {
    public let description: FieldDescription
    /// Its value; nil where none is set.
    let read: @Sendable (Owner) -> JSONValue?
    /// Takes a value that has its kind; false for one that hasn't.
    let write: @Sendable (inout Owner, JSONValue) -> Bool
    /// Goes back to none; nil for a setting that always has a value.
    let lift: (@Sendable (inout Owner) -> Void)?

    public var name: FieldName { description.name }
    public var kind: FieldKind { description.kind }

    private init(
        _ name: String, _ kind: FieldKind, _ isRequired: Bool, _ standard: String, _ about: String,
        read: @escaping @Sendable (Owner) -> JSONValue?, write: @escaping @Sendable (inout Owner, JSONValue) -> Bool,
        lift: (@Sendable (inout Owner) -> Void)? = nil
    ) {
        description = FieldDescription(
            name: FieldName(name), kind: kind, isRequired: isRequired, standard: standard, about: about)
        (self.read, self.write, self.lift) = (read, write, lift)
    }
}

/// Rows of a table of fields. Of each there is one for a property that may have no value, and one for a property that always has.
extension Field {
    public typealias Path<Value> = any WritableKeyPath<Owner, Value> & Sendable

    /// A setting of some kind that is an optional number.
    private static func number<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<Number?>, _ kind: FieldKind, _ standard: String, _ about: String
    ) -> Field {
        Field(
            name, kind, false, standard, about, read: { $0[keyPath: path].map { .integer(Int64(clamping: $0)) } },
            write: { owner, value in
                guard case .integer(let integer) = value, let number = Number(exactly: integer) else { return false }
                owner[keyPath: path] = number
                return true
            },
            lift: { $0[keyPath: path] = nil })
    }

    public static func bytes(
        _ name: String, _ path: Path<UInt64?>, _ range: ClosedRange<UInt64>, default standard: String = "none", _ about: String
    ) -> Field { number(name, path, .bytes(range), standard, about) }

    /// - Parameter range: thousandths.
    public static func cores(
        _ name: String, _ path: Path<UInt64?>, _ range: ClosedRange<UInt64>, default standard: String = "none", _ about: String
    ) -> Field { number(name, path, .cores(range), standard, about) }

    public static func count<Number: FixedWidthInteger & Sendable>(
        _ name: String, _ path: Path<Number?>, _ range: ClosedRange<Int64>, default standard: String = "none", _ about: String
    ) -> Field { number(name, path, .count(range), standard, about) }

    public static func text(
        _ name: String, _ path: Path<String?>, _ form: TextForm, _ length: ClosedRange<Int> = 0...4096,
        default standard: String = "none", _ about: String
    ) -> Field {
        Field(
            name, .text(form, length), false, standard, about, read: { $0[keyPath: path].map { .text($0) } },
            write: { owner, value in
                guard case .text(let text) = value else { return false }
                owner[keyPath: path] = text
                return true
            },
            lift: { $0[keyPath: path] = nil })
    }
}
