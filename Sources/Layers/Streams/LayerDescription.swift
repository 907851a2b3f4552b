public import SendStream

/// What a stream doesn't say of its layer by itself.
public struct LayerDescription: Sendable, Codable, Equatable {
    /// What must come out.
    public var id: LayerID
    /// What the stream is against; nil for nothing.
    public var base: LayerID?
    /// The layer it was built on, whatever the stream is against; nil for a base.
    public var parent: LayerID?
    /// The target it was first built for.
    public var label: String
    /// When it was built, in seconds since 1970; nil for now.
    public var created: Int64?
    /// The name of the image at the sender; nil where it is the label, and for the layers below it.
    public var name: String?

    public init(
        id: LayerID, base: LayerID?, parent: LayerID?, label: String, created: Int64? = nil, name: String? = nil
    ) {
        self.id = id
        self.base = base
        self.parent = parent
        self.label = label
        self.created = created
        self.name = name
    }
}

extension LayerID {
    /// What streams call a layer: the first 16 bytes of its id with the marks of a UUID of one's own making (RFC 9562,
    /// version 8).
    public var streamUUID: SubvolumeUUID {
        let digits = Array(hex.utf8.prefix(32))
        var bytes = stride(from: 0, to: 32, by: 2).map { index in
            UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16)!
        }
        bytes[6] = bytes[6] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        return SubvolumeUUID(bytes)!
    }
}
