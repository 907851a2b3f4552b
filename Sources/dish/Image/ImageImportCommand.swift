import ArgumentParser
import Layers
import Registry

struct ImageImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take an OCI image from a registry, a layout or an archive.",
        discussion: """
            Each of its layers becomes a layer here, shared with other images that have it. The image is called by its
            reference, 'dish run REF' runs it; or by the layout's tag that was asked for. One from an archive, or a layout's
            only image, has no name unless --name or --trust-names gives it one.

            Examples:
              dish image import registry.example/web/app:2
              dish image import oci:/srv/layout:app --name app
              dish image import docker-archive:app.tar --trust-names
            """)

    @Argument(help: "A reference, oci:DIR[:TAG] or docker-archive:FILE.")
    var source: String
    @OptionGroup var naming: ReceivedNameOptions
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "import images")
        let pool = try pool.openHolding()
        let source = try ImageSource(source)
        let (names, options) = (naming.names, registry.options)
        let policy = try SignaturePolicy()
        let imported = try await transferring { report in
            try await ImageImport(pool, options, policy: policy, report: report).run(source, names: names)
        }
        if let name = imported.name { return print("\(name) \(imported.layer.id.hex)", to: .output) }
        print(imported.layer.id.hex, to: .output)
        ReceivedNameOptions.suggest(imported.layer.id)
    }
}
