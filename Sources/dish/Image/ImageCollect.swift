import ArgumentParser
import Layers
import Manifest
import Spec

struct ImageCollect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Remove layers that no name, no task and no other layer needs.",
        discussion: """
            Examples:
              dish image gc --dry-run
              dish image gc --age 7d --free 20G --all --keep '//org:*'
            """)

    @Option(help: "Spare what is younger, like 30m, 12h or 7d.")
    var age = "1h"
    @Option(help: "Stop when so much is free, like 20G.")
    var free: String?
    @Flag(help: "Images with names that no task uses may go too.")
    var all = false
    @Option(help: "With --all: a name whose image stays; * at its end stands for anything.")
    var keep: [String] = []
    @Flag(name: [.customShort("n"), .long], help: "Only say what would go.")
    var dryRun = false
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        if seconds == nil { throw ValidationError("--age '\(age)' is no time, like 30m, 12h or 7d.") }
        if let free, ByteCount(free) == nil { throw ValidationError("--free '\(free)' is not a size, like 20G.") }
    }

    private var seconds: Int64? {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let last = age.last else { return nil }
        guard let unit = units[last] else { return Int64(age).flatMap { $0 >= 0 ? $0 : nil } }
        return Int64(age.dropLast()).flatMap { $0 >= 0 && $0 < 1 << 40 ? $0 * unit : nil }
    }

    func run() throws {
        try requireRoot(to: "remove images")
        let pool = try pool.open()
        var rules = CollectionRules()
        rules.age = seconds ?? rules.age
        rules.free = free.flatMap { ByteCount($0)?.bytes }
        rules.includesNamed = all
        rules.kept = keep
        let names = try pool.allNames()
        let rows = try pool.collectGarbage(rules, isDry: dryRun).map { ImageList.Row($0, names: names) }
        if json.json { return try printJSON(rows) }
        for row in rows {
            let name = row.names.isEmpty ? row.label : row.names.joined(separator: " ")
            print("\(dryRun ? "would remove" : "removed") \(row.id.short) \(name)", to: .output)
        }
    }
}
