import Glibc
public import Layers
import Linux
public import OCI
import SendStream

/// Stores a snapshot of a volume where others fetch it.
public struct VolumePush: Sendable {
    let pool: Pool
    let options: RegistryOptions
    let report: @Sendable (TransferEvent) -> Void

    public init(_ pool: Pool, _ options: RegistryOptions, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.pool = pool
        self.options = options
        self.report = report
    }

    /// - Parameter base: a snapshot that whoever fetches it has.
    /// - Returns: the manifest's digest.
    public func run(
        _ volume: String, _ snapshot: VolumeSnapshot, since base: VolumeSnapshot?, to place: VolumePlace
    ) async throws -> BlobDigest {
        switch place.kind {
        case .registry(let reference):
            guard let tag = reference.tag, reference.digest == nil else {
                throw RegistryError(.invalid, "'\(reference)' has a digest; a volume is stored under a tag")
            }
            return try await run(volume, snapshot, base, to: Remote(reference, options), tag)
        case .layout(let path, let name):
            return try await run(volume, snapshot, base, to: LayoutRepository(path, creating: true), name)
        }
    }

    private func run(
        _ volume: String, _ snapshot: VolumeSnapshot, _ base: VolumeSnapshot?, to repository: some Repository, _ tag: String
    ) async throws -> BlobDigest {
        let pool = pool
        try await blocking { try pool.cleanStaging() }
        let scratch = try await blocking { try StagingDirectory(in: pool) }
        let path = "\(scratch.path)/stream"
        report(.step("write the stream of \(volume)@\(snapshot.name)"))
        try await Compression.zstd.write(to: path) { descriptor in
            var sink = FileSink(descriptor, "zstd")
            try pool.writeVolume(volume, snapshot, since: base, to: &sink)
        }
        let stream = try await blocking {
            var status = stat()
            try retryingInterrupts("read", path) { stat(path, &status) }
            let digest = try ContentHash.file(OwnedFD.open(path, O_RDONLY), path)
            return Descriptor(
                mediaType: VolumePackage.streamType, digest: try BlobDigest("sha256:" + hexadecimal(digest)),
                size: UInt64(status.st_size))
        }
        report(.expecting(bytes: stream.size))
        let report = report
        try await repository.store(stream, from: path) { report(.transferred(bytes: $0)) }
        let config = try OCIJSON.encode(VolumeDescription(snapshot, of: pool.volume(volume), since: base))
        let descriptor = Descriptor(mediaType: VolumePackage.configType, of: config)
        try await repository.store(descriptor, bytes: config)
        let manifest = try OCIJSON.encode(
            Manifest(config: descriptor, layers: [stream], artifactType: VolumePackage.artifactType))
        try await repository.store(manifest: manifest, mediaType: MediaType.manifest, tag: tag)
        return BlobDigest(of: manifest)
    }
}
