import ArgumentParser
import Layers

struct ImageRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove images that no other image and no task stands on.")

    @Argument(help: "Labels, names or layer ids.", completion: .image)
    var images: [String]
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "remove images")
        let pool = try pool.open()
        for image in images { try pool.remove(pool.resolve(image).id) }
    }
}
