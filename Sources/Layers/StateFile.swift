public import FoundationEssentials
import Linux

/// JSON files of this program's own state: replaced whole, with sorted keys.
public enum StateFile {
    public static func read<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
        let bytes = try Files.read(path)
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw PoolError(.damaged, "'\(path)' is damaged: \(plainReason(error))")
        }
    }

    /// - Parameters:
    ///   - durable: whether it must have reached the disk on return.
    ///   - syncsName: whether its name must have; see `Files.replace`.
    public static func write(
        _ value: some Encodable, _ path: String, durable: Bool = true, syncsName: Bool = true
    ) throws {
        try Files.replace(path, with: encode(value), durable: durable, syncsName: syncsName)
    }

    public static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value) + [UInt8(ascii: "\n")]
    }
}
