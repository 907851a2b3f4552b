import Glibc
import Layers
import Linux
import OCI

/// Where an OCI image is imported from.
public enum ImageSource: Sendable, CustomStringConvertible {
    case registry(Reference)
    /// A directory in OCI layout; the name is nil for its only image.
    case layout(String, name: String?)
    /// What `docker save` wrote.
    case dockerArchive(String)
    /// A root file system: streams that `btrfs send` wrote, an archive, a directory, or a subvolume.
    case tree(TreeSource)

    /// From `oci:DIR[:TAG]`, `docker-archive:FILE`, a kind of tree and its place, or a reference.
    public init(_ text: String) throws {
        if let tree = try TreeSource(text) {
            self = .tree(tree)
            return
        }
        if text.hasPrefix("oci:") {
            let rest = text.dropFirst(4)
            // A path may have colons, a tag has no slashes.
            if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
                self = .layout(String(rest[..<colon]), name: String(rest[rest.index(after: colon)...]))
            } else {
                self = .layout(String(rest), name: nil)
            }
        } else if text.hasPrefix("docker-archive:") {
            self = .dockerArchive(String(text.dropFirst(15)))
        } else {
            self = .registry(try Reference(text))
        }
    }

    /// The name that whoever wrote it asked for; nil for whatever there is.
    var asked: String? {
        switch self {
        case .registry(let reference): reference.description
        case .layout(_, let name): name
        case .dockerArchive, .tree: nil
        }
    }

    public var description: String {
        switch self {
        case .registry(let reference): reference.description
        case .layout(let path, let name): "oci:\(path)" + (name.map { ":\($0)" } ?? "")
        case .dockerArchive(let path): "docker-archive:\(path)"
        case .tree(let tree): tree.description
        }
    }
}

/// An image that was found: its config, and how to get each of its layers.
struct FoundImage: Sendable {
    struct Layer: Sendable {
        let descriptor: Descriptor
        /// Gets the blob into the cache, or opens it where it is.
        let fetch: @Sendable (_ progress: @escaping @Sendable (Int) -> Void) async throws -> FetchedBlob
        /// Whether the file is the cache's, to be removed when it was used.
        let isCached: Bool
    }

    let config: ImageConfig
    let layers: [Layer]
    /// What it calls itself; nil when it has no name.
    let name: String?
    /// The manifest's, for signatures; nil in archives.
    let digest: BlobDigest?
}

extension FoundImage {
    /// Finds an image in a repository.
    ///
    /// - Parameter reference: a tag or a digest.
    static func find(_ reference: String, in repository: some Repository, _ cache: BlobCache, name: String?) async throws
        -> FoundImage
    {
        var found = try await repository.requireManifest(reference)
        let digest = found.descriptor.digest
        // An index inside an index is allowed; more of them are nonsense.
        for _ in 0..<3 where found.descriptor.isIndex {
            let index = try OCIJSON.decode(Index.self, found.bytes, "the index '\(reference)' of \(repository.name)")
            let next = try index.manifest(of: name ?? reference)
            found = try await repository.requireManifest(next.digest.description)
        }
        let manifest = try Manifest.read(found.bytes, "the manifest '\(reference)' of \(repository.name)")
        let config = try OCIJSON.decode(
            ImageConfig.self, await repository.read(manifest.config), "the config of '\(reference)'", limit: OCIJSON.configLimit)
        let layers = manifest.layers.map { descriptor in
            Layer(
                descriptor: descriptor, fetch: { try await repository.open(descriptor, in: cache, progress: $0) },
                isCached: true)
        }
        return FoundImage(config: config, layers: layers, name: name, digest: digest)
    }
}
