import FoundationEssentials
import Linux

/// JSON as registries and layouts have it.
public enum OCIJSON {
    /// The most bytes of a manifest: registries accept no larger ones.
    public static let limit = 4 << 20

    /// The most bytes of an image's config: what becomes of it takes up to twenty times as much memory.
    public static let configLimit = 3 << 20

    /// - Parameter what: for messages.
    /// - Throws: `OCIError` `.damaged`.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, _ bytes: [UInt8], _ what: String, limit: Int = limit
    ) throws -> Value {
        guard bytes.count <= limit else {
            throw OCIError(.damaged, "\(what) has \(bytes.count) bytes, and may have \(limit) at most")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as OCIError {
            throw OCIError(error.code, "\(what): \(error)")
        } catch {
            throw OCIError(.damaged, "\(what) is not what it is called: \(plainReason(error))")
        }
    }

    /// The same value always gives the same bytes.
    public static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}

extension DecodingError {
    static func missing<Key: CodingKey>(_ key: Key, in values: KeyedDecodingContainer<Key>) -> DecodingError {
        .keyNotFound(key, .init(codingPath: values.codingPath, debugDescription: "it is missing"))
    }
}
