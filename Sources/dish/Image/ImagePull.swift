import ArgumentParser
import Layers
import Registry

struct ImagePull: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Fetch a package's layers from a registry.",
        discussion: """
            Layers that the pool has are not fetched; of the others, the smaller of the layer's own stream and of the
            deltas from layers that the pool has. The image is called by its reference.

            Examples:
              dish image pull registry.example/web/app:2
              dish image pull registry.example/web/app:2 --from /srv/packages
            """)

    @Argument(help: "HOST[:PORT]/NAME[:TAG][@DIGEST]")
    var reference: String
    @Option(help: "An OCI layout to pull from instead.")
    var from: String?
    @Option(help: "A further name for the image.")
    var name: String?
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "pull images")
        let pool = try pool.openHolding()
        let reference = try Reference(reference)
        let (from, options, name) = (from, registry.options, name)
        let policy = try SignaturePolicy()
        if let name { try policy.checkName(name, of: [reference.description]) }
        let layer = try await transferring { report in
            let pull = PackagePull(pool, policy: policy, report: report)
            if let from {
                return try await pull.run(reference, from: LayoutRepository(from, creating: false), key: reference.description)
            }
            return try await pull.run(reference, from: Remote(reference, options))
        }
        if let name { try pool.name(name, layer.id) }
        print(layer.id.hex, to: .output)
    }
}
