import Layers
import OCI

/// How a package looks in a registry (docs/registry.md).
enum Package {
    static let artifactType = "application/vnd.butterdish.image.v1+json"
    static let configType = "application/vnd.butterdish.image.config.v1+json"
    static let streamType = "application/vnd.butterdish.layer.v1.stream+zstd"
    static let deltaType = "application/vnd.butterdish.delta.v1+json"

    /// Bytes of a stream before compression.
    static let lengthAnnotation = "org.butterdish.stream.size"
    static let fromAnnotation = "org.butterdish.delta.from"
    static let toAnnotation = "org.butterdish.delta.to"
    /// Bytes of a delta's blob, so that it can be chosen without its manifest.
    static let sizeAnnotation = "org.butterdish.delta.size"

    struct Config: Codable, Equatable {
        struct Layer: Codable, Equatable {
            var id: LayerID
            var label: String
            var entries: Int
            var size: Int64
        }

        var version = 1
        /// Base first, as the manifest's.
        var layers: [Layer]
    }
}

/// A manifest that was read, and understood to be a package's.
struct FoundPackage: Sendable {
    let descriptor: Descriptor
    let manifest: Manifest
    let config: Package.Config

    /// Nil when there is nothing under the reference.
    ///
    /// - Throws: `RegistryError` `.invalid` for what isn't a package.
    init?(_ reference: String, in repository: some Repository) async throws {
        guard let found = try await repository.manifest(reference) else { return nil }
        let what = "the manifest '\(reference)' of \(repository.name)"
        guard !found.descriptor.isIndex, case let manifest = try Manifest.read(found.bytes, what),
            manifest.artifactType == Package.artifactType
        else {
            throw RegistryError(
                .invalid, "\(what) is an image of another kind; take it with: dish image import \(repository.name):\(reference)")
        }
        config = try OCIJSON.decode(Package.Config.self, await repository.read(manifest.config), "the config of \(what)")
        guard config.version == 1 else {
            throw RegistryError(.invalid, "\(what) has the format \(config.version), and this program knows 1; update Butterdish")
        }
        guard !config.layers.isEmpty, config.layers.count == manifest.layers.count else {
            throw RegistryError(.damaged, "\(what) has \(manifest.layers.count) layers and names \(config.layers.count)")
        }
        // They are shown, and become names.
        guard
            config.layers.allSatisfy({
                $0.label.utf8.count <= 500
                    && $0.label.unicodeScalars.allSatisfy { $0.value >= 32 && !(127..<160).contains($0.value) }
            })
        else { throw RegistryError(.damaged, "\(what) has a layer whose label can't be shown") }
        descriptor = found.descriptor
        self.manifest = manifest
    }
}
