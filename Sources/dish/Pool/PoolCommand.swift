import ArgumentParser
import Layers
import Linux

struct PoolCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "Btrfs pools that hold layers and tasks.",
        discussion: """
            Examples:
              dish pool create /srv/pool --device /dev/sdb --device /dev/sdc --data raid1 --metadata raid1
              dish pool show
              dish pool usage
              dish pool set --compression zstd:3 --scrub-every 7d
              dish pool scrub start
              dish pool replace-device /dev/sdb /dev/sdd
            """,
        subcommands: [
            PoolCreate.self, PoolList.self, PoolShow.self, PoolUsageCommand.self, PoolSet.self, PoolGrow.self,
            PoolAddDevice.self, PoolRemoveDevice.self, PoolReplaceDevice.self, PoolScrubCommand.self, PoolBalance.self,
            PoolRepairCommand.self, PoolDestroy.self,
        ])
}

/// A pool named by its path, or by default.
struct PoolPath: ParsableArguments {
    @Argument(help: "The pool's path (default: as --pool).")
    var path: String?
    @OptionGroup var pool: PoolOptions

    func open() throws -> Pool { try path.map { try PoolRegistry.host.open($0) } ?? pool.open() }

    /// As the registry has it.
    var name: String {
        get throws { try Files.absolute(path ?? pool.requested ?? PoolRegistry.host.defaultPath()) }
    }
}
