import ArgumentParser
import Layers

struct VolumeClone: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone", abstract: "Make a volume with what another has, or one of its snapshots.",
        discussion: """
            They share on disk what neither changes. A task that writes to the source goes on; what it is writing at that moment is as after a power cut.

            Examples:
              dish volume clone data test-data
              dish volume clone data@monday test-data --size 5G
            """)

    @Argument(help: "NAME or NAME@SNAPSHOT", completion: .volume)
    var source: String
    @Argument(help: "The new volume.")
    var name: String
    @OptionGroup var size: VolumeSizeOption
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "make volumes")
        let pool = try pool.open()
        try pool.emptyStaging()
        let reference = try VolumeReference(source)
        let volume = try pool.cloneVolume(reference.volume, at: reference.snapshot, as: name, size: size.bytes)
        if json.json { try printJSON(VolumeRow(volume, in: pool)) } else { print(volume.name, to: .output) }
    }
}
