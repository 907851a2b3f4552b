import ArgumentParser
import Layers

struct VolumeRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove volumes with their snapshots, or single snapshots.",
        discussion: """
            Examples:
              dish volume rm scratch
              dish volume rm data@monday
            """)

    @Argument(help: "NAME or NAME@SNAPSHOT", completion: .volume)
    var names: [String]
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "remove volumes")
        let pool = try pool.open()
        try pool.emptyStaging()
        for name in names {
            let reference = try VolumeReference(name)
            if let snapshot = reference.snapshot {
                try pool.removeSnapshot(snapshot, of: reference.volume)
            } else {
                try pool.removeVolume(reference.volume)
            }
        }
    }
}
