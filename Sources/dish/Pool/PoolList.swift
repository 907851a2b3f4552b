import ArgumentParser
import Btrfs
import Layers
import Linux

struct PoolList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the pools of this host.")

    @OptionGroup var json: JSONOption

    private struct Row: Codable {
        let path: String
        let backing: String
        let mounted: Bool
        let isDefault: Bool
        let total: UInt64?
        let available: UInt64?
    }

    func run() throws {
        let mounts = try Mounts.list()
        let rows = try PoolRegistry.host.entries().enumerated().map { index, entry in
            let space = try? Pool(at: entry.path).filesystem().space()
            let backing =
                switch entry.backing {
                case .file(let file): file
                case .devices(let devices): devices.joined(separator: ",")
                case .directory: "directory"
                }
            let mounted = entry.backing == .directory || mounts.contains { $0.path == entry.path }
            return Row(
                path: entry.path, backing: backing, mounted: mounted, isDefault: index == 0, total: space?.total,
                available: space?.available)
        }
        if json.json { return try printJSON(rows) }
        printTable(
            ["PATH", "ON", "SIZE", "FREE", ""],
            rows.map { row in
                [
                    row.path, row.backing, shownBytes(row.total), shownBytes(row.available),
                    row.mounted ? (row.isDefault ? "default" : "") : "not mounted",
                ]
            })
    }
}
