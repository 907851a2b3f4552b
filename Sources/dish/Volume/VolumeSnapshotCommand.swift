import ArgumentParser
import Layers

struct VolumeSnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Keep what is in a volume now.",
        discussion: """
            A task that uses the volume goes on; what it is writing at that moment is as after a power cut.

            Examples:
              dish volume snapshot data
              dish volume snapshot data before-upgrade
            """)

    @Argument(help: "The volume.", completion: .volume)
    var name: String
    @Argument(help: "The snapshot's name (default: the time).")
    var snapshot: String?
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "make snapshots")
        let pool = try pool.open()
        try pool.emptyStaging()
        let made = try pool.snapshotVolume(name, as: snapshot)
        warn(ofMissing: made.missing, in: name)
        if json.json { try printJSON(made.snapshot) } else { print("\(name)@\(made.snapshot.name)", to: .output) }
    }
}

/// Says what a snapshot hasn't got.
func warn(ofMissing subvolumes: [String], in volume: String) {
    for path in subvolumes {
        print(
            printable("dish: not in the snapshot: the subvolume '\(path)' that was made inside the volume '\(volume)'"),
            to: .errors)
    }
}
