import ArgumentParser
import Layers
import Registry

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
        let layer = try pool.resolve(image).id
        try SignaturePolicy().checkName(name, of: layer, in: pool)
        let before = try pool.allNames()[name]
        try pool.name(name, layer)
        if let before, before != layer { print("the name \(name) was that of layer \(before.short)", to: .errors) }
    }
}
