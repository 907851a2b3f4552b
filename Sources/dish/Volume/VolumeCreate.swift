import ArgumentParser
import Layers

struct VolumeCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty volume.",
        discussion: """
            A volume of this name and size that exists is left as it is, but for what the other options say.

            Examples:
              dish volume create data --size 10G
              dish volume create data --size 10G --snapshots hourly=24,daily=7,weekly=4
              dish volume create scratch
            """)

    @Argument(help: "Letters, digits and . - _")
    var name: String
    @OptionGroup var size: VolumeSizeOption
    @Flag(help: "Let several tasks write to it at once.")
    var shared = false
    @OptionGroup var schedule: VolumeScheduleOption
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "make volumes")
        let pool = try pool.open()
        try pool.emptyStaging()
        var volume = try pool.createVolume(name, size: size.bytes)
        if shared || schedule.schedule != nil {
            volume = try pool.setVolume(name, shared: shared ? true : nil, schedule: schedule.schedule)
        }
        if json.json { try printJSON(VolumeRow(volume, in: pool)) } else { print(volume.name, to: .output) }
    }
}
