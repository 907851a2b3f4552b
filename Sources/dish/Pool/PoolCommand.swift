import ArgumentParser
import Btrfs
import Layers
import Linux
import Manifest

struct PoolCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "Btrfs pools that hold layers and tasks.",
        subcommands: [PoolCreate.self, PoolList.self, PoolUsageCommand.self, PoolDestroy.self])
}

struct PoolCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a pool; one that exists is mounted.",
        discussion: """
            Examples:
              dish pool create /var/lib/dish/pool --size 20G        in a file, PATH.img
              dish pool create /srv/pool --device /dev/sdb --device /dev/sdc
              dish pool create /mnt/btrfs/pool                      a directory on a mounted Btrfs
            """)

    @Argument(help: "Where the pool is mounted.")
    var path: String

    @Option(help: "Size of a loop file, like 20G; space is taken as it is written.")
    var size: String?

    @Option(help: "The loop file (default: PATH.img).")
    var file: String?

    @Option(name: .long, help: "An empty block device; several make one file system.")
    var device: [String] = []

    @Flag(help: "Don't count and limit disk use: --disk is refused. Kernels before 6.7 can mount only such a pool.")
    var noQuotas = false

    func validate() throws {
        if size != nil, !device.isEmpty { throw ValidationError("--size and --device exclude each other.") }
        if let size, ByteCount(size) == nil { throw ValidationError("--size '\(size)' is not a size, like 20G.") }
        if file != nil, size == nil { throw ValidationError("--file needs --size.") }
    }

    func run() throws {
        try requireRoot(to: "make a pool")
        let backing: PoolRegistry.Backing
        if let size = size.flatMap({ ByteCount($0) }) {
            backing = .file(Files.absolute(file ?? "\(Files.absolute(path)).img"))
            if size.bytes < 4 << 30 {
                print("note: pools under 4 GiB run out of room for metadata early", to: .errors)
            }
        } else {
            backing = device.isEmpty ? .directory : .devices(device)
        }
        let pool = try PoolRegistry.host.create(
            path, on: backing, size: size.flatMap { ByteCount($0)?.bytes }, quotas: !noQuotas)
        if !noQuotas, try !pool.hasQuotas() {
            print("note: this kernel has no simple quotas (6.7 or later); --disk will be refused", to: .errors)
        }
        print(pool.path, to: .output)
    }
}

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

struct PoolUsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Show how much each layer, task and volume uses.",
        discussion: """
            OWN is what a layer or task wrote itself; SHARED is what the layers below it hold, which every
            image and task on them shares.
            """)

    @Argument(help: "The pool's path (default: as --pool).")
    var path: String?
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "read a pool's usage")
        let pool = try path.map { try PoolRegistry.host.open($0) } ?? pool.open()
        try? pool.removeUnusedQuotaGroups()
        let usage = try pool.usage()
        if json.json { return try printJSON(usage) }
        print(
            "\(usage.path): \(ByteCount(bytes: usage.total)) in all, \(ByteCount(bytes: usage.available)) free, "
                + "\(ByteCount(bytes: usage.dataUsed)) data, \(ByteCount(bytes: usage.metadataUsed)) metadata", to: .output)
        func row(_ kind: String, _ entry: PoolUsage.Entry) -> [String] {
            [
                kind, entry.name, String(entry.id.prefix(12)), shownBytes(entry.own), shownBytes(entry.shared),
                shownBytes(entry.limit),
            ]
        }
        printTable(
            ["KIND", "NAME", "ID", "OWN", "SHARED", "LIMIT"],
            usage.layers.map { row("layer", $0) } + usage.tasks.map { row("task", $0) }
                + usage.volumes.map { row("volume", $0) })
    }
}

struct PoolDestroy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy", abstract: "Unmount a pool without tasks and remove its loop file.")

    @Argument(help: "The pool's path.")
    var path: String
    @Flag(help: "Really remove every image in it.")
    var yes = false

    func validate() throws {
        if !yes { throw ValidationError("'dish pool destroy' removes every image in the pool; add --yes.") }
    }

    func run() throws {
        try requireRoot(to: "remove a pool")
        try PoolRegistry.host.destroy(path)
    }
}
