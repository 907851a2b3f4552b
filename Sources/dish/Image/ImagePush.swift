import ArgumentParser
import Layers
import Registry

struct ImagePush: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Store an image and the layers below it in a registry, as a package.",
        discussion: """
            Layers that the registry has are not sent again. A delta from what was under the tag before, and from each
            image of --delta-from, is stored where it is smaller.

            Examples:
              dish image push //web:app registry.example/web/app:2
              dish image push //web:app registry.example/web/app:2 --to /srv/packages
            """)

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Argument(help: "HOST[:PORT]/NAME[:TAG]")
    var reference: String
    @Option(help: "An OCI layout to push to instead; it is made where there is none.")
    var to: String?
    @Option(help: "An older image that hosts may have.")
    var deltaFrom: [String] = []
    @Flag(help: "Store no delta from what was under the tag before.")
    var noDelta = false
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "read images")
        let pool = try pool.openToRead()
        let reference = try Reference(reference)
        guard let tag = reference.tag, reference.digest == nil else {
            throw ValidationError("'\(reference)' has a digest; an image is pushed to a tag.")
        }
        let layer = try pool.resolve(image)
        let older = try deltaFrom.map { try pool.resolve($0) }
        let (to, options, addsDelta) = (to, registry.options, !noDelta)
        let digest = try await transferring { report in
            let push = PackagePush(pool, report: report)
            if let to {
                let layout = try LayoutRepository(to, creating: true)
                return try await push.run(layer, to: layout, tag: reference.description, deltasFrom: older, addsDelta: addsDelta)
            }
            return try await push.run(layer, to: Remote(reference, options), tag: tag, deltasFrom: older, addsDelta: addsDelta)
        }
        print("\(reference.name)@\(digest)", to: .output)
    }
}
