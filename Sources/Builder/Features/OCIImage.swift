import FoundationEssentials
import Glibc
import Layers
import Linux
import Manifest

/// An image of an OCI image layout (image-spec, image-layout.md): which layers it has and what it says of its tasks.
struct OCIImage: Sendable {
    struct Layer: Sendable {
        /// The blob's path.
        let path: String
        /// `sha256:…`, as the manifest names it.
        let digest: String
    }

    /// That of the manifest, which names all else by digest.
    let digest: String
    let layers: [Layer]
    let configuration: ImageConfiguration

    /// - Parameters:
    ///   - layout: the layout's directory.
    ///   - reference: the image's `org.opencontainers.image.ref.name`; nil for the only one.
    init(layout: String, reference: String?, at place: ManifestError.Place) throws {
        do {
            let index = try Self.json(Index.self, "\(layout)/index.json")
            var descriptor = try Self.choose(index.manifests, reference, layout)
            // An index inside the index has one manifest for each architecture.
            while descriptor.mediaType?.hasSuffix("index.v1+json") == true
                || descriptor.mediaType?.hasSuffix("list.v2+json") == true
            {
                let inner = try Self.json(Index.self, Self.blob(descriptor.digest, layout))
                guard
                    let next = inner.manifests.first(where: {
                        $0.platform?.architecture == Self.architecture && $0.platform?.os == "linux"
                    })
                else { throw BuildError(.path, "the image in '\(layout)' is not made for \(Self.architecture)") }
                descriptor = next
            }
            let manifest = try Self.json(Manifest.self, Self.blob(descriptor.digest, layout), digest: descriptor.digest)
            let config = try Self.json(Config.self, Self.blob(manifest.config.digest, layout), digest: manifest.config.digest)
            digest = descriptor.digest
            layers = try manifest.layers.map { Layer(path: try Self.blob($0.digest, layout), digest: $0.digest) }
            configuration = config.configuration
        } catch let error as BuildError {
            throw ManifestError(place, "\(error)")
        } catch let error as SystemError {
            throw ManifestError(place, "read the OCI layout: \(error)")
        }
    }

    #if arch(x86_64)
        private static let architecture = "amd64"
    #else
        private static let architecture = "arm64"
    #endif

    private static func choose(_ manifests: [Descriptor], _ reference: String?, _ layout: String) throws -> Descriptor {
        let names = manifests.compactMap(\.name)
        let matching = manifests.filter { reference == nil || $0.name == reference }
        guard let first = matching.first else {
            throw BuildError(
                .path,
                "there is no image '\(reference ?? "")' in '\(layout)'; it has \(names.isEmpty ? "none with a name" : names.joined(separator: ", "))"
            )
        }
        guard matching.count == 1 || reference != nil else {
            throw BuildError(
                .path, "'\(layout)' has \(manifests.count) images; choose one with 'reference': \(names.joined(separator: ", "))")
        }
        return first
    }

    private static func blob(_ digest: String, _ layout: String) throws -> String {
        let parts = digest.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "sha256", LayerID(String(parts[1])) != nil else {
            throw BuildError(.path, "'\(layout)' names a blob by '\(digest)', which is not a SHA-256")
        }
        return "\(layout)/blobs/sha256/\(parts[1])"
    }

    /// - Parameter digest: what the file's digest must be.
    private static func json<Value: Decodable>(_ type: Value.Type, _ path: String, digest: String? = nil) throws -> Value {
        let bytes = try Files.read(path)
        if let digest, "sha256:\(hexadecimal(ContentHash.bytes(bytes)))" != digest {
            throw BuildError(.path, "'\(path)' doesn't have the digest it is named by; the layout is damaged")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw BuildError(.path, "'\(path)' is not what an OCI image layout has there: \(error)")
        }
    }
}

extension OCIImage {
    private struct Index: Decodable {
        let manifests: [Descriptor]
    }

    private struct Descriptor: Decodable {
        struct Platform: Decodable {
            let architecture: String
            let os: String
        }

        let mediaType: String?
        let digest: String
        let platform: Platform?
        let annotations: [String: String]?

        var name: String? { annotations?["org.opencontainers.image.ref.name"] }
    }

    private struct Manifest: Decodable {
        let config: Descriptor
        let layers: [Descriptor]
    }

    private struct Config: Decodable {
        struct Process: Decodable {
            var Env: [String]?
            var Entrypoint: [String]?
            var Cmd: [String]?
            var User: String?
            var WorkingDir: String?
            var StopSignal: String?
            var Labels: [String: String]?
        }

        let config: Process?

        var configuration: ImageConfiguration {
            var configuration = ImageConfiguration()
            guard let config else { return configuration }
            for variable in config.Env ?? [] {
                let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                if parts.count == 2 { configuration.environment[parts[0]] = parts[1] }
            }
            configuration.command = (config.Entrypoint ?? []) + (config.Cmd ?? [])
            // A group after a colon is the user's own in all but rare images.
            configuration.user = config.User.flatMap { $0.split(separator: ":").first.map(String.init) }
            configuration.directory = config.WorkingDir.flatMap { $0.isEmpty ? nil : $0 }
            configuration.stopSignal = config.StopSignal
            configuration.labels = config.Labels ?? [:]
            return configuration
        }
    }
}
