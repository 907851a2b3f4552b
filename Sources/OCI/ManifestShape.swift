/// The kind of a manifest, by the fields that it has: what a registry says of them is often wrong, and bytes that were
/// signed must mean the same wherever they come from.
public struct ManifestShape: Decodable {
    private enum CodingKeys: CodingKey { case schemaVersion, mediaType, manifests, layers, config, fsLayers }

    let mediaType: String?
    let isIndex: Bool
    let isManifest: Bool
    let isFirstSchema: Bool

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = (try? values.decodeIfPresent(String.self, forKey: .mediaType)) ?? nil
        isIndex = values.contains(.manifests)
        isManifest = values.contains(.layers) || values.contains(.config)
        let version = (try? values.decodeIfPresent(Int.self, forKey: .schemaVersion)) ?? nil
        isFirstSchema = values.contains(.fsLayers) || version == 1 && !isIndex && !isManifest
    }

    /// Nil for what is no JSON object.
    init?(_ bytes: [UInt8]) {
        guard let shape = try? OCIJSON.decode(ManifestShape.self, bytes, "") else { return nil }
        self = shape
    }

    /// The media type of a manifest.
    ///
    /// - Parameter said: what a registry or an index says that it is; nil for nothing.
    /// - Throws: `OCIError` `.hostile` for what is a list and an image at once, and so means something else to each program.
    public static func mediaType(of bytes: [UInt8], said: String?, _ what: String) throws -> String {
        guard let shape = ManifestShape(bytes) else { return said ?? MediaType.manifest }
        guard !shape.isIndex || !shape.isManifest else {
            throw OCIError(
                .hostile,
                "\(what) has layers and a list of other manifests: it is one image for some programs and another for others")
        }
        let known = [shape.mediaType, said].compactMap { $0 }.filter { MediaType.manifests.contains($0) }
        if shape.isIndex { return known.first { MediaType.isIndex($0) } ?? MediaType.index }
        if shape.isManifest { return known.first { !MediaType.isIndex($0) } ?? MediaType.manifest }
        return said ?? shape.mediaType ?? MediaType.manifest
    }
}
