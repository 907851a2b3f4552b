import ArgumentParser
import Layers
import Registry

struct ImageImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take an OCI image from a registry, a layout or an archive.",
        discussion: """
            Each of its layers becomes a layer here, shared with other images that have it. The image is called by its
            reference: 'dish run REF' runs it.

            Examples:
              dish image import registry.example/web/app:2
              dish image import oci:/srv/layout:app --name app
              dish image import docker-archive:app.tar
            """)

    @Argument(help: "A reference, oci:DIR[:TAG] or docker-archive:FILE.")
    var source: String
    @Option(help: "What the image is called here (default: its own name).")
    var name: String?
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "import images")
        let pool = try pool.openHolding()
        let source = try ImageSource(source)
        let (name, options) = (name, registry.options)
        let policy = try SignaturePolicy()
        let imported = try await transferring { report in
            try await ImageImport(pool, options, policy: policy, report: report).run(source, name: name)
        }
        print("\(imported.name) \(imported.layer.id.hex)", to: .output)
    }
}
