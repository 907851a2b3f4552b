import FoundationEssentials

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
    /// - Throws: `OCIError` `.damaged`, `.hostile` for more layers than anybody needs.
    public static func read(_ bytes: [UInt8], _ what: String) throws -> Manifest {
        let manifest = try OCIJSON.decode(Manifest.self, bytes, what)
        guard manifest.layers.count <= layerLimit else {
            throw OCIError(.hostile, "\(what) has \(manifest.layers.count) layers; \(layerLimit) are taken at most")
        }
        return manifest
    }
}

/// A list of manifests (image-spec, image-index.md).
public struct Index: Sendable, Codable, Equatable {
    public var schemaVersion = 2
    public var mediaType: String?
    public var manifests: [Descriptor]

    public init(manifests: [Descriptor]) {
        mediaType = MediaType.index
        self.manifests = manifests
    }

    /// The manifest for a platform.
    ///
    /// - Throws: `OCIError` `.notFound` naming the platforms there are.
    public func manifest(for platform: Descriptor.Platform, of image: String) throws -> Descriptor {
        // One that says no platform is for any; attestations say "unknown".
        if let found = manifests.first(where: {
            $0.platform?.architecture == platform.architecture && $0.platform?.os == platform.os
        })
            ?? manifests.first(where: { $0.platform == nil })
        {
            return found
        }
        let there = Set(manifests.compactMap { $0.platform.map { "\($0.os)/\($0.architecture)" } }).sorted().joined(
            separator: ", ")
        throw OCIError(
            .notFound,
            "'\(image)' is not made for \(platform.os)/\(platform.architecture), only for \(there.isEmpty ? "nothing" : there)")
    }
}

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
            throw OCIError(.damaged, "\(what) is not what it is called: \(error)")
        }
    }

    /// The same value always gives the same bytes.
    public static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }
}
