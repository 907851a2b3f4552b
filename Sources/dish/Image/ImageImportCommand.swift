import ArgumentParser
import Layers
import Registry

struct ImageImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take an image from a registry, a layout, an archive, a stream or a directory.",
        discussion: """
            Each of its layers becomes a layer here, shared with other images that have it. The image is called by its
            reference, 'dish run REF' runs it; or by the layout's tag that was asked for. One from an archive, or a layout's
            only image, has no name unless --name or --trust-names gives it one.

            A root file system becomes an image of one layer: an archive (tar:FILE, plain or compressed with gzip, xz, zstd or bzip2), a
            directory (dir:PATH, without what is mounted in it), a Btrfs subvolume (subvolume:PATH, without those inside it), or what
            'btrfs send' wrote (stream:FILE, '-' for standard input). A stream that was sent with -p becomes a layer on the one that
            came of its parent, which must have been imported before.

            Examples:
              dish image import registry.example/web/app:2
              dish image import oci:/srv/layout:app --name app
              dish image import docker-archive:app.tar --trust-names
              dish image import tar:root.tar.xz --name base
              btrfs send /srv/roots/web.1 | dish image import stream:- --name web
            """)

    @Argument(help: "A reference, oci:DIR[:TAG], docker-archive:FILE, stream:FILE, tar:FILE, dir:PATH or subvolume:PATH.")
    var source: String
    @OptionGroup var naming: ReceivedNameOptions
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        try requireRoot(to: "import images")
        let pool = try pool.openHolding()
        let source = try ImageSource(source)
        let (names, options) = (naming.names, registry.options)
        let policy = try SignaturePolicy()
        let imported = try await transferring { report in
            try await ImageImport(pool, options, policy: policy, report: report).run(source, names: names)
        }
        if json.json { return try printJSON(ImageList.Row(imported.layer, names: pool.allNames())) }
        if let name = imported.name { return print("\(name) \(imported.layer.id.hex)", to: .output) }
        print(imported.layer.id.hex, to: .output)
        ReceivedNameOptions.suggest(imported.layer.id)
    }
}
