import ArgumentParser
import Layers
import Linux
import Registry
import SendStream

struct VolumeReceive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive", abstract: "Make a snapshot, and its volume, of what 'dish volume send' or 'btrfs send' wrote.",
        discussion: """
            It is made aside, and gets its name only when its content has the id that was sent. The volume's data becomes that
            snapshot, unless a task uses the volume or it was changed here. A stream of 'btrfs send' has no such id; its snapshot is
            called as the subvolume was, and one that was sent with -p needs the snapshot of that parent here.

            Examples:
              ssh host dish volume send data@monday | dish volume receive data
              dish volume receive data tuesday.stream
              btrfs send /srv/snapshots/data.1 | dish volume receive data
              dish volume receive data --from registry.example/backup/data:monday
            """)

    @Argument(help: "The volume.", completion: .volume)
    var name: String
    @Argument(help: "The file; '-' for standard input.", completion: .file())
    var file = "-"
    @Option(help: "A registry's HOST[:PORT]/NAME[:TAG], or oci:DIR[:TAG], to fetch it from instead.")
    var from: String?
    @OptionGroup var size: VolumeSizeOption
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        if from != nil, file != "-" { throw ValidationError("A file and --from exclude each other.") }
    }

    func run() async throws {
        try requireRoot(to: "receive volumes")
        let pool = try pool.openHolding()
        try pool.emptyStaging()
        let (name, file, size, options) = (name, file, size.bytes, registry.options)
        let isNew = try pool.volumeIfPresent(name) == nil
        let received: ReceivedVolume
        if let place = try from.map({ try VolumePlace($0) }) {
            let policy = try SignaturePolicy()
            received = try await transferring { report in
                try await VolumePull(pool, options, policy: policy, report: report).run(place, as: name, size: size)
            }
        } else {
            received = try await blocking {
                let input = try openInput(file)
                let source = FileSource(input.number, file == "-" ? "standard input" : file)
                return try pool.receiveVolume(source, as: name, size: size)
            }
        }
        if case .kept(let reason) = received.data { print("dish: the volume's data stays as it is: \(reason)", to: .errors) }
        if let leftOut = received.leftOut { print(printable("dish: \(leftOut)"), to: .errors) }
        if isNew, size == nil, try pool.hasQuotas(), let volume = try pool.volumeIfPresent(name) {
            // Whoever sent it has said how much of the pool it may take.
            let limit = volume.size.map { "may take \(shownBytes($0)), as its sender says" } ?? "has no limit of size"
            print("dish: the volume '\(name)' \(limit); change that with: dish volume resize \(name) SIZE", to: .errors)
        }
        if json.json { return try printJSON(received) }
        print("\(name)@\(received.snapshot.name) \(received.snapshot.id)", to: .output)
    }
}
