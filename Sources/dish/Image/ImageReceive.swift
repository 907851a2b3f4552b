import ArgumentParser
import Layers
import Linux
import Registry
import SendStream

struct ImageReceive: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive", abstract: "Make an image from what 'dish image send' wrote.",
        discussion: """
            Each layer is made aside, and becomes one only when its tree has the digest that is its id. The layers get no names,
            unless --name or --trust-names gives them some; names that the signature policy has rules for (docs/registry.md)
            are given only where it accepts that.

            Examples:
              dish image receive web.stream --name web
              ssh host dish image send //web:app | dish image receive - --trust-names
            """)

    @Argument(help: "The file; '-' for standard input.", completion: .file())
    var file: String
    @OptionGroup var naming: ReceivedNameOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "receive images")
        let pool = try pool.openHolding()
        try pool.cleanStaging()
        let input = try openInput(file)
        let policy = try SignaturePolicy()
        let layers = try pool.receiveImage(
            FileSource(input.number, file == "-" ? "standard input" : file), names: naming.names,
            check: { try policy.checkName($0) })
        if let image = layers.last, let others = try pool.tree(of: image.id).filesOfOthers() {
            print(printable("warning: \(others)"), to: .errors)
        }
        if json.json { return try printJSON(layers) }
        for layer in layers { print("\(printable(layer.label)) \(layer.id)", to: .output) }
        if let image = layers.last, try !pool.allNames().values.contains(image.id) { ReceivedNameOptions.suggest(image.id) }
    }
}
