import ArgumentParser
import Layers
import Linux
import SendStream

struct ImageReceive: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive", abstract: "Make an image from what 'dish image send' wrote.",
        discussion: """
            Each layer is made aside, and becomes one only when its tree has the digest that is its id.

            Examples:
              dish image receive web.stream
              ssh host dish image send //web:app | dish image receive -
            """)

    @Argument(help: "The file; '-' for standard input.", completion: .file())
    var file: String
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "receive images")
        let pool = try pool.openHolding()
        try pool.cleanStaging()
        let input = try openInput(file)
        let layers = try pool.receiveImage(FileSource(input.number, file == "-" ? "standard input" : file))
        if json.json { return try printJSON(layers) }
        for layer in layers { print("\(layer.label) \(layer.id)", to: .output) }
    }
}
