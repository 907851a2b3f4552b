import ArgumentParser
import Layers
import Manifest
import Spec

struct ImageShow: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one image.")

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "read images")
        let pool = try pool.open()
        let layer = try pool.resolve(image)
        let row = try ImageList.Row(layer, names: pool.allNames())
        if json.json { return try printJSON(row) }
        print(
            """
            id:      \(row.id)
            names:   \(row.names.joined(separator: " "))
            label:   \(row.label)
            parent:  \(row.parent?.hex ?? "-")
            built:   \(age(row.created))
            size:    \(ByteCount(bytes: UInt64(max(0, row.size)))) in \(row.entries) entries
            root:    \(pool.root(of: row.id))
            """, to: .output)
    }
}
