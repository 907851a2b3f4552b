/// Errors in JSON that somebody wrote, in words: no type of this program, and none of Swift's own descriptions.
extension DecodingError {
    /// With the path of the field: `task.limits.memory: …`.
    public var sentence: String { (fieldPath.map { "\($0): " } ?? "") + reason }

    /// Like `task.limits.memory`; nil for the whole.
    public var fieldPath: String? {
        let (context, key) = context
        var path = ""
        for part in context.codingPath + (key.map { [$0] } ?? []) {
            path += part.intValue.map { "[\($0)]" } ?? (path.isEmpty ? part.stringValue : ".\(part.stringValue)")
        }
        return path.isEmpty ? nil : path
    }

    private var reason: String {
        switch self {
        case .keyNotFound: return "it is missing"
        case .valueNotFound(let type, _): return "it is null, and has to be \(Self.name(of: type))"
        case .typeMismatch(let type, _): return "it has to be \(Self.name(of: type))"
        case .dataCorrupted(let context): return Self.reason(context)
        @unknown default: return "it can't be read"
        }
    }

    /// Errors of this program's own decoders are sentences already; those of the library have names of types in it.
    private static func reason(_ context: Context) -> String {
        let text = context.debugDescription
        if text.hasPrefix("The given data was not valid JSON") || text.hasPrefix("Top-level") { return "it is no valid JSON" }
        if text.hasPrefix("Parsed JSON number"), let start = text.firstIndex(of: "<"), let end = text.firstIndex(of: ">") {
            return "the number \(text[text.index(after: start)..<end]) is out of range"
        }
        if text.hasPrefix("Cannot initialize") {
            let value = text.firstRange(of: "value ").map { text[$0.upperBound...] } ?? ""
            return value.isEmpty ? "it is none of the known values" : "'\(value)' is none of the known values"
        }
        return text
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        default:
            "\(type)".hasPrefix("Array") || "\(type)".hasPrefix("Set") ? "a list" : "an object"
        }
    }

    private var context: (Context, (any CodingKey)?) {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context): (context, nil)
        case .keyNotFound(let key, let context): (context, key)
        @unknown default: (Context(codingPath: [], debugDescription: "it can't be read"), nil)
        }
    }
}

/// An error for people: that of a decoder as a sentence, any other as it describes itself.
public func plainReason(_ error: any Error) -> String { (error as? DecodingError)?.sentence ?? "\(error)" }
