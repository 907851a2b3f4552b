import Glibc
public import Layers
import Linux
public import OCI

/// Stores an image of a pool as a package.
public struct PackagePush: Sendable {
    let pool: Pool
    let report: @Sendable (TransferEvent) -> Void

    public init(_ pool: Pool, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.pool = pool
        self.report = report
    }

    /// - Parameters:
    ///   - deltasFrom: older images that hosts may have.
    ///   - addsDelta: whether what is under the tag until now, if the pool has it, is one of them.
    /// - Returns: the manifest's digest.
    public func run(
        _ top: Layer, to repository: some Repository, tag: String, deltasFrom: [Layer], addsDelta: Bool
    ) async throws -> BlobDigest {
        let pool = pool
        try await blocking { try pool.cleanStaging() }
        let stack = try Array(pool.stack(top.id).reversed())
        if let missing = stack[0].parent {
            throw PoolError(
                .damaged, "the layer \(missing.short) below the image is not in the pool; build or pull the image again")
        }
        var older = deltasFrom
        if addsDelta, let before = try? await FoundPackage(tag, in: repository), let last = before.config.layers.last,
            let layer = try pool.layer(last.id)
        {
            older.append(layer)
        }
        var blobs: [Descriptor] = []
        var places: [String] = []
        for (index, layer) in stack.enumerated() {
            report(.step("layer \(index + 1) of \(stack.count), \(layer.label)"))
            let blob = StreamBlob(pool: pool, layer: layer.id, base: index > 0 ? stack[index - 1].id : nil)
            let report = report
            guard let stored = try await blob.store(in: repository, limit: nil, progress: { report(.transferred(bytes: $0)) })
            else { continue }
            blobs.append(stored)
            places = blob.places
        }
        let config = try OCIJSON.encode(
            Package.Config(
                layers: stack.map { layer in
                    .init(id: layer.id, label: Layer.label(layer.label), entries: layer.entries, size: layer.size)
                }))
        let configDescriptor = Descriptor(mediaType: Package.configType, of: config)
        if try await !repository.finds(configDescriptor.digest, in: places) {
            try await repository.store(configDescriptor, bytes: config)
        }
        let manifest = try OCIJSON.encode(Manifest(config: configDescriptor, layers: blobs, artifactType: Package.artifactType))
        let subject = Descriptor(mediaType: MediaType.manifest, of: manifest)
        try await repository.store(manifest: manifest, mediaType: MediaType.manifest, tag: tag)
        for image in older { try await addDeltas(from: image, to: stack, blobs, subject, repository) }
        return subject.digest
    }

    private func addDeltas(
        from image: Layer, to stack: [Layer], _ blobs: [Descriptor], _ subject: Descriptor, _ repository: some Repository
    ) async throws {
        let old = try pool.stack(image.id)
        for (index, layer) in stack.enumerated() where !old.contains(where: { $0.id == layer.id }) {
            // The same target's layer of before is the most like it.
            guard let from = old.first(where: { $0.label == layer.label }) ?? (index == stack.count - 1 ? image : nil) else {
                continue
            }
            if index > 0, stack[index - 1].id == from.id { continue }
            report(.step("delta to \(layer.label) from layer \(from.id.short)"))
            let report = report
            let blob = StreamBlob(pool: pool, layer: layer.id, base: from.id)
            guard
                let stored = try await blob.store(
                    in: repository, limit: blobs[index].size, progress: { report(.transferred(bytes: $0)) })
            else { continue }
            let empty = Array("{}".utf8)
            let config = Descriptor(mediaType: MediaType.empty, of: empty)
            try await repository.store(config, bytes: empty)
            var manifest = Manifest(config: config, layers: [stored], artifactType: Package.deltaType, subject: subject)
            manifest.annotations = [
                Package.fromAnnotation: from.id.hex, Package.toAnnotation: layer.id.hex,
                Package.sizeAnnotation: String(stored.size),
            ]
            try await repository.storeReferrer(manifest, subject: subject.digest)
        }
    }
}
