public import Layers
import OCI

/// Makes an image of a registry present in a pool, of whichever kind it is there: a package, or an OCI image.
public struct ImageFetch: Sendable {
    let pool: Pool
    let options: RegistryOptions
    let report: @Sendable (TransferEvent) -> Void

    public init(_ pool: Pool, _ options: RegistryOptions, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.pool = pool
        self.options = options
        self.report = report
    }

    /// - Returns: its layer, which is called by the reference.
    /// - Throws: `RegistryError`, `PoolError` `.full`.
    public func run(_ reference: Reference) async throws -> Layer {
        // Read anew each time: it may be changed while an agent runs.
        let policy = try SignaturePolicy()
        let remote = Remote(reference, options)
        let found = try await remote.requireManifest(reference.manifestReference)
        if !found.descriptor.isIndex {
            let manifest = try Manifest.read(found.bytes, "the manifest '\(reference.manifestReference)' of \(remote.name)")
            if manifest.artifactType == Package.artifactType {
                return try await PackagePull(pool, policy: policy, report: report).run(reference, from: remote)
            }
        }
        return try await ImageImport(pool, options, policy: policy, report: report).run(.registry(reference)).layer
    }
}
