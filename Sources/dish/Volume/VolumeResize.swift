import ArgumentParser
import Layers

struct VolumeResize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize", abstract: "Change the most that a volume and its snapshots may take.",
        discussion: """
            Tasks that use it go on.

            Examples:
              dish volume resize data 20G
              dish volume resize data none
            """)

    @Argument(help: "The volume.", completion: .volume)
    var name: String
    @Argument(help: "A size, like 20G; or none.")
    var size: String
    @OptionGroup var pool: PoolOptions

    func validate() throws {
        if size != "none", byteCount(size) == nil { throw ValidationError("'\(size)' is not a size, like 20G, nor none.") }
    }

    func run() throws {
        try requireRoot(to: "resize volumes")
        let volume = try pool.open().resizeVolume(name, to: size == "none" ? nil : byteCount(size))
        print("\(volume.name) \(shownBytes(volume.size))", to: .output)
    }
}
