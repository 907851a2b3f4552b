import ArgumentParser
import Layers

struct VolumeShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a volume and its snapshots.",
        discussion: """
            Examples:
              dish volume show data
              dish volume show data --json
            """,
        aliases: ["inspect"])

    @Argument(help: "The volume.", completion: .volume)
    var name: String
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "read volumes")
        let pool = try pool.open()
        let row = try VolumeRow(pool.volume(name), in: pool)
        if json.json { return try printJSON(row) }
        print(
            """
            name:     \(row.name)
            made:     \(age(row.created))
            size:     \(shownBytes(row.size))
            used:     \(shownBytes(row.used))
            used by:  \(row.users.isEmpty ? "-" : row.users.joined(separator: " "))
            shared:   \(row.shared ? "yes" : "no")
            schedule: \(row.schedule ?? "-")
            data:     \(row.path)
            """, to: .output)
        if let unchecked = row.unchecked {
            print("without checksums: \(unchecked.files) files, \(shownBytes(unchecked.bytes))", to: .output)
        }
        if row.snapshots.isEmpty { return }
        print("", to: .output)
        printTable(
            ["SNAPSHOT", "ID", "SIZE", "ENTRIES", "MADE", "KEPT"],
            row.snapshots.map {
                [
                    $0.name, $0.id.short, shownBytes(UInt64(max(0, $0.size))), "\($0.entries)", age($0.created),
                    $0.pinned == true ? "pinned" : $0.scheduled == true ? "by schedule" : "until removed",
                ]
            })
    }
}
