public import Crypto
import Layers

/// What a blob is called: `sha256:` and 64 lower-case hexadecimal digits (image-spec, descriptor.md). Other algorithms
/// are refused: nobody uses them.
public struct BlobDigest: Sendable, Hashable, Codable, CustomStringConvertible {
    public let hex: String

    /// - Throws: `OCIError` `.damaged`.
    public init(_ text: String) throws {
        guard text.hasPrefix("sha256:"), LayerID(String(text.dropFirst(7))) != nil else {
            throw OCIError(.damaged, "'\(text)' is not the SHA-256 of a blob, which looks like sha256:9f86d0…")
        }
        hex = String(text.dropFirst(7))
    }

    public init(_ digest: SHA256.Digest) {
        hex = hexadecimal(digest)
    }

    public init(of bytes: [UInt8]) {
        self.init(SHA256.hash(data: bytes))
    }

    public init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public var description: String { "sha256:\(hex)" }
    /// For people.
    public var short: String { String(hex.prefix(12)) }
}
