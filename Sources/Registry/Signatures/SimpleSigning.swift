import OCI

/// What cosign signs: the "simple signing" payload (containers/image, signature format), which names a manifest by its
/// digest.
struct SimpleSigning: Codable, Equatable {
    struct Critical: Codable, Equatable {
        struct Identity: Codable, Equatable {
            var reference: String
            enum CodingKeys: String, CodingKey { case reference = "docker-reference" }
        }

        struct Image: Codable, Equatable {
            var digest: BlobDigest
            enum CodingKeys: String, CodingKey { case digest = "docker-manifest-digest" }
        }

        var identity: Identity
        var image: Image
        var type = Self.cosign
        static let cosign = "cosign container image signature"
    }

    var critical: Critical

    init(_ digest: BlobDigest, of repository: String) {
        critical = Critical(identity: .init(reference: repository), image: .init(digest: digest))
    }

    static let mediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
    static let artifactType = "application/vnd.dev.cosign.artifact.sig.v1+json"
    static let annotation = "dev.cosignproject.cosign/signature"

    /// The tag where cosign looks for the signatures of a manifest.
    static func tag(of digest: BlobDigest) -> String { "sha256-\(digest.hex).sig" }
}
