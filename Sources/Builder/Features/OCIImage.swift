import Glibc
import Layers
import Linux
import Manifest
import OCI

/// An image of an OCI image layout that a target starts from.
struct OCIImage: Sendable {
    struct Layer: Sendable {
        /// The blob's path.
        let path: String
        let digest: BlobDigest
        /// Of the archive in it.
        let diffID: BlobDigest?
    }

    /// That of the manifest, which names all else by digest.
    let digest: String
    let layers: [Layer]
    let configuration: ImageConfiguration

    /// - Parameters:
    ///   - layout: the layout's directory.
    ///   - reference: the image's `org.opencontainers.image.ref.name`; nil for the only one.
    init(layout path: String, reference: String?, at place: ManifestError.Place) throws {
        do {
            let layout = try Layout(at: path)
            var descriptor = try layout.typed(layout.find(reference))
            // An index inside the index has one manifest for each architecture.
            for _ in 0..<3 where descriptor.isIndex {
                let index = try OCIJSON.decode(Index.self, layout.read(descriptor), "an index in '\(path)'")
                descriptor = try layout.typed(index.manifest(of: path))
            }
            let manifest = try OCI.Manifest.read(layout.read(descriptor), "the manifest in '\(path)'")
            let config = try OCIJSON.decode(
                ImageConfig.self, layout.read(manifest.config), "the config in '\(path)'", limit: OCIJSON.configLimit)
            let digests = config.rootfs.diff_ids
            digest = descriptor.digest.description
            layers = manifest.layers.enumerated().map { index, layer in
                Layer(
                    path: layout.path(of: layer.digest), digest: layer.digest,
                    diffID: digests.count == manifest.layers.count ? digests[index] : nil)
            }
            var configuration = config.configuration
            // What is built on it decides anew whether it is booted.
            (configuration.command, configuration.entrypoint) = (configuration.commandLine, nil)
            self.configuration = configuration
        } catch let error as OCIError {
            throw ManifestError(place, "\(error)")
        } catch let error as SystemError {
            throw ManifestError(place, "read the OCI layout: \(error)")
        }
    }

    /// Puts a layer over what is in a root.
    ///
    /// - Returns: device nodes that weren't taken.
    /// - Throws: `BuildError` `.path`.
    func apply(_ layer: Layer, to root: String) async throws -> LeftOutNodes {
        do {
            let file = try BlobFile(layer.path)
            // What is hashed is what is unpacked. The hash has its own position in it.
            let number = try file.descriptor.reopened(layer.path, O_RDONLY).release()
            let found = try await blocking { try ContentHash.file(OwnedFD(adopting: number), layer.path) }
            guard hexadecimal(found) == layer.digest.hex else {
                throw BuildError(.path, "'\(layer.path)' doesn't have the digest it is named by; the layout is damaged")
            }
            let compression = try Compression(of: file.descriptor)
            let limits = ArchiveLimits(stored: file.size, room: UInt64(Int64.max))
            // The step's disk limit is the limit of what it unpacks to.
            let (digest, leftOut) = try await compression.read(file.descriptor.duplicate(), layer.path) { descriptor in
                let unpacker = try LayerUnpacker(root: root)
                return (try unpacker.unpack(descriptor, limits), unpacker.leftOut)
            }
            if let diffID = layer.diffID, diffID != digest {
                throw BuildError(
                    .path, "the archive in '\(layer.path)' has the digest \(digest), and the image's config says \(diffID)")
            }
            return leftOut
        } catch let error as OCIError {
            throw BuildError(.path, "unpack '\(layer.path)': \(error)")
        }
    }
}
