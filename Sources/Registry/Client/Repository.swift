public import OCI

/// Where manifests and blobs of one name are: a registry's repository, or a directory in OCI layout.
public protocol Repository: Sendable {
    /// For messages.
    var name: String { get }

    /// A manifest's bytes by tag or digest; nil when there is none.
    ///
    /// - Parameter reference: a tag, or a digest with its `sha256:`.
    func manifest(_ reference: String) async throws -> (descriptor: Descriptor, bytes: [UInt8])?

    /// Fetches a blob into a cache.
    ///
    /// - Parameter progress: bytes that arrived since the last call.
    /// - Returns: its path.
    func fetch(_ blob: Descriptor, into cache: BlobCache, progress: @escaping @Sendable (Int) -> Void) async throws -> String

    /// The bytes of a small blob, as they come.
    func bytes(of blob: Descriptor) async throws -> [UInt8]

    /// Whether it has a blob.
    func has(_ blob: BlobDigest) async throws -> Bool

    /// Takes a blob over from another repository, `HOST/NAME`, without sending it.
    ///
    /// - Returns: false where that can't be done.
    func mount(_ blob: BlobDigest, from repository: String) async throws -> Bool

    /// Stores a blob that lies in a file.
    func store(_ blob: Descriptor, from file: String, progress: @escaping @Sendable (Int) -> Void) async throws

    /// Stores a manifest, whose blobs are there.
    ///
    /// - Parameter tag: nil to store it by its digest alone.
    func store(manifest bytes: [UInt8], mediaType: String, tag: String?) async throws

    /// The manifests whose subject is a manifest.
    func referrers(of digest: BlobDigest, artifactType: String) async throws -> [Descriptor]
}

extension Repository {
    public func mount(_ blob: BlobDigest, from repository: String) async throws -> Bool { false }

    /// Makes sure that a blob is there if it, or another repository of the same registry, has it.
    ///
    /// - Parameter places: where it is known to be.
    func finds(_ blob: BlobDigest, in places: [String]) async throws -> Bool {
        if try await has(blob) { return true }
        for place in places.suffix(3).reversed() where place != name {
            if try await mount(blob, from: place) { return true }
        }
        return false
    }

    /// Stores a manifest that says something of another, so that `referrers` finds it.
    func storeReferrer(_ manifest: Manifest, subject: BlobDigest, tag: String? = nil) async throws {
        let bytes = try OCIJSON.encode(manifest)
        try await store(manifest: bytes, mediaType: MediaType.manifest, tag: tag)
        var descriptor = Descriptor(mediaType: MediaType.manifest, of: bytes)
        descriptor.artifactType = manifest.artifactType
        descriptor.annotations = manifest.annotations
        try await addReferrer(descriptor, to: subject)
    }

    /// The tag under which the referrers of a manifest are listed where there is no API for it (distribution-spec,
    /// "Referrers Tag Schema").
    static func referrersTag(of digest: BlobDigest) -> String { "sha256-\(digest.hex)" }

    func listedReferrers(of digest: BlobDigest) async throws -> [Descriptor] {
        guard let found = try await manifest(Self.referrersTag(of: digest)), found.descriptor.isIndex else { return [] }
        return try OCIJSON.decode(Index.self, found.bytes, "the referrers of \(digest)").manifests
    }

    private func addReferrer(_ descriptor: Descriptor, to subject: BlobDigest) async throws {
        if let remote = self as? Remote, try await remote.listsReferrers(of: subject) { return }
        var list = try await listedReferrers(of: subject)
        if list.contains(where: { $0.digest == descriptor.digest }) { return }
        list.append(descriptor)
        try await store(
            manifest: OCIJSON.encode(Index(manifests: list)), mediaType: MediaType.index, tag: Self.referrersTag(of: subject))
    }

    /// A manifest that must be there.
    func requireManifest(_ reference: String) async throws -> (descriptor: Descriptor, bytes: [UInt8]) {
        guard let found = try await manifest(reference) else {
            throw RegistryError(.notFound, "there is no image '\(reference)' in \(name)")
        }
        return found
    }
}
