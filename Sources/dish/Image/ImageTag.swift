import ArgumentParser
import Layers

struct ImageTag: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "tag", abstract: "Give an image a further name.")

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Argument(help: "The new name; an image that has it loses it.")
    var name: String
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "name images")
        let pool = try pool.open()
        try pool.name(name, pool.resolve(image).id)
    }
}
