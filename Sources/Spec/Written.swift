/// A value that people write as one text, and JSON has as the same: it is parsed where it comes in, and nowhere else.
public protocol Written: Sendable, Equatable, Codable, CustomStringConvertible {
    /// The form for references, with a pattern for editors.
    static var form: TextForm { get }
    /// - Throws: `FieldFault` without a path.
    init(parsing text: String) throws(FieldFault)
}

extension Written {
    public init(from decoder: any Decoder) throws {
        try self.init(parsing: try decoder.singleValueContainer().decode(String.self), for: decoder)
    }

    /// - Throws: `DecodingError` at the decoder's place.
    init(parsing text: String, for decoder: any Decoder) throws {
        do throws(FieldFault) {
            try self.init(parsing: text)
        } catch {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: error.reason))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// The form with the check that parsing is.
    static var checked: TextForm {
        TextForm(form.name, pattern: form.pattern) { text, _ in
            do throws(FieldFault) {
                _ = try Self(parsing: text)
                return nil
            } catch { return error.reason }
        }
    }
}
