import ArgumentParser
import Layers

struct VolumeCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty volume.",
        discussion: """
            A volume of this name and size that exists is left as it is.

            Examples:
              dish volume create data --size 10G
              dish volume create scratch
            """)

    @Argument(help: "Letters, digits and . - _")
    var name: String
    @OptionGroup var size: VolumeSizeOption
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "make volumes")
        let pool = try pool.open()
        try pool.cleanStaging()
        let volume = try pool.createVolume(name, size: size.bytes)
        if json.json { try printJSON(VolumeRow(volume, in: pool)) } else { print(volume.name, to: .output) }
    }
}
