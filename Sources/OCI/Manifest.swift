/// An image's manifest (image-spec, manifest.md): its config and its layers.
public struct Manifest: Sendable, Codable, Equatable {
    public var schemaVersion = 2
    public var mediaType: String?
    public var artifactType: String?
    public var config: Descriptor
    /// Base first.
    public var layers: [Descriptor]
    /// The manifest that this one says something of.
    public var subject: Descriptor?
    public var annotations: [String: String]?

    public init(config: Descriptor, layers: [Descriptor], artifactType: String? = nil, subject: Descriptor? = nil) {
        mediaType = MediaType.manifest
        self.artifactType = artifactType
        self.config = config
        self.layers = layers
        self.subject = subject
    }

    /// The most layers that are taken; others make 127 at most.
    public static let layerLimit = 500

    /// Reads one.
    ///
    /// - Parameter what: for messages.
    /// - Throws: `OCIError` `.damaged`, `.hostile` for more layers than anybody needs, `.unsupported` for what is older than these.
    public static func read(_ bytes: [UInt8], _ what: String) throws -> Manifest {
        if bytes.count <= OCIJSON.limit, ManifestShape(bytes)?.isFirstSchema == true {
            throw OCIError(
                .unsupported,
                "\(what) is in the format that Docker had until 2016 (schema 1); store the image again with a newer program")
        }
        let manifest = try OCIJSON.decode(Manifest.self, bytes, what)
        guard manifest.layers.count <= layerLimit else {
            throw OCIError(.hostile, "\(what) has \(manifest.layers.count) layers; \(layerLimit) are taken at most")
        }
        return manifest
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        schemaVersion = try values.decodeIfPresent(Int.self, forKey: .schemaVersion) ?? 2
        mediaType = try values.decodeIfPresent(String.self, forKey: .mediaType)
        artifactType = try values.decodeIfPresent(String.self, forKey: .artifactType)
        config = try values.decode(Descriptor.self, forKey: .config)
        guard values.contains(.layers) else { throw DecodingError.missing(.layers, in: values) }
        // Of an image of nothing some programs write null.
        layers = try values.decodeIfPresent([Descriptor].self, forKey: .layers) ?? []
        subject = try values.decodeIfPresent(Descriptor.self, forKey: .subject)
        annotations = try values.decodeIfPresent([String: String].self, forKey: .annotations)
    }
}
