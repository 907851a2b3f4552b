import ArgumentParser
import Layers
import Manifest
import Spec

struct ImageList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the images of a pool.")

    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    struct Row: Codable {
        let id: LayerID
        let names: [String]
        let parent: LayerID?
        let label: String
        let created: Int64
        let entries: Int
        let size: Int64

        init(_ layer: Layer, names: [String: LayerID]) {
            id = layer.id
            self.names = names.filter { $0.value == layer.id }.keys.sorted()
            parent = layer.parent
            label = layer.label
            created = layer.created
            entries = layer.entries
            size = layer.size
        }
    }

    func run() throws {
        try requireRoot(to: "list images")
        let pool = try pool.open()
        let names = try pool.allNames()
        let rows = try pool.allLayers().map { Row($0, names: names) }
        if json.json { return try printJSON(rows) }
        printTable(
            ["NAME", "ID", "PARENT", "SIZE", "BUILT"],
            rows.map { row in
                [
                    row.names.isEmpty ? "(\(row.label))" : row.names.joined(separator: " "), row.id.short,
                    row.parent?.short ?? "-", "\(ByteCount(bytes: UInt64(max(0, row.size))))", age(row.created),
                ]
            })
    }
}
