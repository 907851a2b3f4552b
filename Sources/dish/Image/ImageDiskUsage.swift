import ArgumentParser
import Builder
import Layers
import Manifest
import Spec

struct ImageDiskUsage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "du", abstract: "Show what takes the room that an image adds to its parent.")

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Option(name: .shortAndLong, help: "How many directories, files and packages are listed.")
    var number = 10
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "measure images")
        let pool = try pool.open()
        let usage = try ImageUsage(of: pool.resolve(image), in: pool, most: max(0, number))
        if json.json { return try printJSON(usage) }
        print("adds \(ByteCount(bytes: usage.size))", to: .output)
        for (title, entries) in [
            ("packages", usage.packages), ("directories", usage.directories), ("files", usage.files),
        ] where !entries.isEmpty {
            print("\(title):", to: .output)
            for entry in entries {
                let size = "\(ByteCount(bytes: entry.size))"
                print("  \(String(repeating: " ", count: max(0, 9 - size.count)))\(size)  \(entry.name)", to: .output)
            }
        }
    }
}
