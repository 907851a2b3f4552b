import Btrfs
import Glibc
public import Layers
import Linux
import OCI
import SendStream

/// Makes the layers of a package present in a pool.
public struct PackagePull: Sendable {
    let pool: Pool
    let policy: SignaturePolicy
    let report: @Sendable (TransferEvent) -> Void

    public init(_ pool: Pool, policy: SignaturePolicy, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.pool = pool
        self.policy = policy
        self.report = report
    }

    /// - Parameters:
    ///   - reference: what is asked for; the policy decides by it.
    ///   - repository: where it is.
    ///   - key: what it is called there; nil for the reference's own tag or digest.
    public func run(_ reference: Reference, from repository: some Repository, key: String? = nil) async throws -> Layer {
        let pool = pool
        try await blocking { try pool.cleanStaging() }
        let key = reference.digest?.description ?? key ?? reference.manifestReference
        let wanted = try await policy.check(reference, at: key, in: repository) ?? key
        guard let package = try await FoundPackage(wanted, in: repository) else {
            throw RegistryError(.notFound, "there is no image '\(wanted)' in \(repository.name)")
        }
        let layers = zip(package.config.layers, package.manifest.layers).map { (id: $0.id, blob: $1) }
        // Without deltas the pull is longer, not wrong.
        let isMissing = try layers.contains { try pool.layer($0.id) == nil }
        let deltas =
            isMissing
            ? (try? await repository.referrers(of: package.descriptor.digest, artifactType: Package.deltaType)) ?? [] : []
        let plan = try PackagePlan(layers, deltas: deltas) { try pool.layer($0) != nil }
        report(.step("\(layers.count - plan.steps.count) of \(layers.count) layers are here already"))
        report(.expecting(bytes: plan.bytes))
        let cache = try BlobCache(pool)
        let (steps, report, budget) = (plan.steps, report, ReceiveBudget())
        try await Pipeline.run(
            steps.count,
            fetch: { index in
                let blob = try await Self.blob(of: steps[index], in: repository)
                return (blob, try await repository.open(blob, in: cache) { report(.transferred(bytes: $0)) })
            },
            use: { index, fetched in
                let step = steps[index]
                let layer = package.config.layers[step.index]
                report(.step("apply layer \(step.index + 1) of \(layers.count), \(layer.label)"))
                let description = LayerDescription(
                    id: layer.id, base: step.base, parent: step.index > 0 ? layers[step.index - 1].id : nil, label: layer.label)
                try await apply(fetched.0, fetched.1, description, budget)
                if case .stream(let blob) = step.source {
                    try StreamBlob(pool: pool, layer: layer.id, base: step.base).remember(blob, at: repository.name)
                }
                cache.remove(fetched.0.digest)
            })
        guard let top = try pool.layer(layers[layers.count - 1].id) else {
            throw PoolError(.damaged, "the layer \(layers[layers.count - 1].id.short) is gone again; pull once more")
        }
        try pool.name(reference.description, top.id)
        return top
    }

    private static func blob(of step: PackagePlan.Step, in repository: some Repository) async throws -> Descriptor {
        switch step.source {
        case .stream(let descriptor): return descriptor
        case .delta(let digest):
            let found = try await repository.requireManifest(digest.description)
            let manifest = try Manifest.read(found.bytes, "the delta \(digest.short)")
            guard manifest.artifactType == Package.deltaType, let layer = manifest.layers.first, layer.size == step.size else {
                throw RegistryError(.damaged, "the delta \(digest) isn't what the list of deltas says of it")
            }
            return layer
        }
    }

    private func apply(
        _ blob: Descriptor, _ file: FetchedBlob, _ description: LayerDescription, _ budget: ReceiveBudget
    ) async throws {
        let pool = pool
        let room = try max(64 << 20, pool.filesystem().space().available / 10 * 9)
        let limit = blob.annotations?[Package.lengthAnnotation].flatMap { UInt64($0) }.map { min($0, room) } ?? room
        do {
            _ = try await file.read(.zstd) { descriptor in
                try pool.receive(BoundedSource(descriptor, limit: limit), description, budget: budget)
            }
        } catch let error as PoolError where error.code == .full {
            throw PoolError(.full, "\(error); what was fetched is kept")
        }
    }
}
