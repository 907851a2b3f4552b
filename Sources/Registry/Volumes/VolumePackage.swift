import Layers
import OCI

/// How a volume's snapshot looks in a registry (docs/volumes.md).
enum VolumePackage {
    static let artifactType = "application/vnd.butterdish.volume.v1+json"
    static let configType = "application/vnd.butterdish.volume.config.v1+json"
    static let streamType = "application/vnd.butterdish.volume.v1.stream+zstd"
}

/// Where a volume's snapshot is stored: a registry, or a directory in OCI layout.
public struct VolumePlace: Sendable {
    enum Kind: Sendable {
        case registry(Reference)
        case layout(String, name: String)
    }

    let kind: Kind

    /// From a reference or `oci:DIR[:TAG]`.
    public init(_ text: String) throws {
        switch try ImageSource(text) {
        case .registry(let reference): kind = .registry(reference)
        case .layout(let path, let name): kind = .layout(path, name: name ?? "latest")
        case .dockerArchive, .tree:
            throw RegistryError(.invalid, "'\(text)' can't hold a volume: write HOST[:PORT]/NAME[:TAG] or oci:DIR[:TAG]")
        }
    }

    /// Without its tag.
    public var name: String {
        switch kind {
        case .registry(let reference): reference.name
        case .layout(let path, _): "oci:\(path)"
        }
    }
}
