import Btrfs
import Glibc
public import Layers
import Linux
import OCI
import SendStream

/// Fetches a snapshot of a volume and receives it.
public struct VolumePull: Sendable {
    let pool: Pool
    let options: RegistryOptions
    let policy: SignaturePolicy
    let report: @Sendable (TransferEvent) -> Void

    public init(
        _ pool: Pool, _ options: RegistryOptions, policy: SignaturePolicy, report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.pool = pool
        self.options = options
        self.policy = policy
        self.report = report
    }

    /// - Parameters:
    ///   - volume: what it becomes a snapshot of.
    ///   - size: of a new volume, in bytes; nil for that of the sender.
    public func run(_ place: VolumePlace, as volume: String, size: UInt64?) async throws -> ReceivedVolume {
        switch place.kind {
        case .registry(let reference):
            let remote = Remote(reference, options)
            let pinned = try await policy.check(reference, at: reference.manifestReference, in: remote)
            return try await run(pinned ?? reference.manifestReference, in: remote, volume, size)
        case .layout(let path, let name):
            return try await run(name, in: LayoutRepository(path, creating: false), volume, size)
        }
    }

    private func run(
        _ reference: String, in repository: some Repository, _ volume: String, _ size: UInt64?
    ) async throws -> ReceivedVolume {
        let found = try await repository.requireManifest(reference)
        let what = "the manifest '\(reference)' of \(repository.name)"
        let manifest = try Manifest.read(found.bytes, what)
        guard manifest.artifactType == VolumePackage.artifactType, manifest.layers.count == 1 else {
            throw RegistryError(.invalid, "\(what) is no volume's")
        }
        let description = try OCIJSON.decode(
            VolumeDescription.self, await repository.read(manifest.config), "the config of \(what)")
        let (stream, cache, report, pool) = (manifest.layers[0], try BlobCache(pool), report, pool)
        report(.expecting(bytes: stream.size))
        let file = try await repository.open(stream, in: cache) { report(.transferred(bytes: $0)) }
        report(.step("receive \(volume)@\(description.snapshot)"))
        let received = try await file.read(.zstd) { descriptor in
            let source = try BoundedSource(descriptor, limit: max(64 << 20, pool.filesystem().space().available / 10 * 9))
            return try pool.receiveVolume(source, as: volume, size: size, expected: description)
        }
        cache.remove(stream.digest)
        return received
    }
}
