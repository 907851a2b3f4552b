/// A value and where it was written. Two are equal when their values are, wherever they stand, and only the value
/// is encoded: moving a line changes nothing.
public struct Located<Value: Sendable & Equatable>: Sendable, Equatable {
    public let value: Value
    public let place: ManifestError.Place

    public init(_ value: Value, at place: ManifestError.Place) {
        self.value = value
        self.place = place
    }

    /// Another value of the same place.
    func map<Other>(_ body: (Value) -> Other) -> Located<Other> { Located<Other>(body(value), at: place) }

    public static func == (left: Self, right: Self) -> Bool { left.value == right.value }
}

extension Located: Encodable where Value: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}
