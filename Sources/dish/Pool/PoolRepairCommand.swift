import ArgumentParser
import Layers

struct PoolRepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Put a pool in order after a crash, and say what can't be read.",
        discussion: """
            Removes unfinished work of processes that are gone, names of images that aren't there, and quota groups of nothing, and makes the
            index of dish pool usage anew. Records that can't be read are listed and left; it ends with 1 then. Tasks go on. Content is compared
            with its checksums by dish pool scrub.

            Examples:
              dish pool repair
              dish pool repair /srv/pool --json
            """)

    @OptionGroup var pool: PoolPath
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "repair a pool")
        let pool = try pool.open()
        let repair = try pool.repair()
        if json.json {
            try printJSON(repair)
        } else {
            print("\(repair.unfinished) unfinished removed, \(repair.names.count) names of nothing", to: .output)
            for name in repair.names { print("removed the name \(printable(name))", to: .output) }
            for record in repair.damaged { print("damaged: \(printable(record)); see docs/failures.md", to: .output) }
        }
        if !repair.damaged.isEmpty { throw ExitCode(1) }
    }
}
