import ArgumentParser
import Layers
import Registry

struct ImageExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write an image as an OCI image that other programs run.",
        discussion: """
            Equal images give equal bytes.

            Examples:
              dish image export //web:app oci:/srv/layout:app
              dish image export //web:app docker-archive:app.tar
            """)

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Argument(help: "oci:DIR[:TAG] or docker-archive:FILE.")
    var target: String
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "read images")
        let pool = try pool.openToRead()
        let (layer, target, name) = (try pool.resolve(image), try ExportTarget(target), image)
        try await transferring { report in try await ImageExport(pool, report: report).run(layer, to: target, name: name) }
    }
}
