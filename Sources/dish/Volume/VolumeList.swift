import ArgumentParser
import Layers

struct VolumeList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the volumes of a pool.",
        discussion: """
            Examples:
              dish volume ls
              dish volume ls --json
            """)

    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "list volumes")
        let pool = try pool.open()
        let rows = try VolumeRow.all(in: pool)
        if json.json { return try printJSON(rows) }
        printTable(
            ["NAME", "SIZE", "USED", "SNAPSHOTS", "USED BY", "MADE"],
            rows.map { row in
                [
                    row.name, shownBytes(row.size), shownBytes(row.used), "\(row.snapshots.count)",
                    row.users.isEmpty ? "-" : row.users.joined(separator: " "), age(row.created),
                ]
            })
    }
}
