/// What names a blob in a manifest (image-spec, descriptor.md).
public struct Descriptor: Sendable, Codable, Equatable {
    public var mediaType: String?
    public var digest: BlobDigest
    public var size: UInt64
    public var artifactType: String?
    public var platform: Platform?
    public var annotations: [String: String]?

    public init(mediaType: String, digest: BlobDigest, size: UInt64, annotations: [String: String]? = nil) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.annotations = annotations
    }

    /// Of bytes that are at hand.
    public init(mediaType: String, of bytes: [UInt8]) {
        self.init(mediaType: mediaType, digest: BlobDigest(of: bytes), size: UInt64(bytes.count))
    }

    /// No blob is larger, so that sums of sizes are numbers.
    static let sizeLimit: UInt64 = 1 << 50

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = try values.decodeIfPresent(String.self, forKey: .mediaType)
        digest = try values.decode(BlobDigest.self, forKey: .digest)
        size = try values.decode(UInt64.self, forKey: .size)
        artifactType = try values.decodeIfPresent(String.self, forKey: .artifactType)
        platform = try values.decodeIfPresent(Platform.self, forKey: .platform)
        annotations = try values.decodeIfPresent([String: String].self, forKey: .annotations)
        guard size <= Self.sizeLimit else {
            throw DecodingError.dataCorruptedError(
                forKey: .size, in: values, debugDescription: "\(size) bytes are more than any blob has")
        }
    }

    /// Whether it names a list of manifests.
    public var isIndex: Bool { MediaType.isIndex(mediaType) }

    /// What a layout calls an image.
    public static let nameAnnotation = "org.opencontainers.image.ref.name"
}
