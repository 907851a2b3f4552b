import ArgumentParser
import Glibc
import Layers
import Linux
import Registry
import SendStream

struct VolumeSend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Write a snapshot of a volume, for 'dish volume receive'.",
        discussion: """
            Without @SNAPSHOT a new one is made, and kept: the next one can be sent as its difference from it. The same snapshots
            give the same bytes on any host, and 'btrfs receive' takes them too.

            Examples:
              dish volume send data@monday | ssh backup dish volume receive data
              dish volume send data --since monday -o tuesday.stream
              dish volume send data@monday --to registry.example/backup/data:monday
              dish volume send data@monday --to oci:/srv/backup:monday
            """)

    @Argument(help: "NAME or NAME@SNAPSHOT", completion: .volume)
    var name: String
    @Option(help: "A snapshot that the receiver has; only what is different is sent.")
    var since: String?
    @Option(name: .shortAndLong, help: "The file to write (default: standard output).")
    var output: String?
    @Option(help: "A registry's HOST[:PORT]/NAME[:TAG], or oci:DIR[:TAG], to store it in instead.")
    var to: String?
    @OptionGroup var registry: RegistryOptionGroup
    @OptionGroup var pool: PoolOptions

    func validate() throws {
        if output != nil, to != nil { throw ValidationError("--output and --to exclude each other.") }
        guard output != nil || to != nil || isatty(STDOUT_FILENO) == 0 else {
            throw ValidationError("A volume is no text: redirect standard output to a file or a pipe, or use -o FILE.")
        }
    }

    func run() async throws {
        try requireRoot(to: "send volumes")
        let pool = try pool.open()
        let reference = try VolumeReference(name)
        let target = try to.map { try VolumePlace($0) }
        let base = try since.map { try pool.snapshot($0, of: reference.volume) }
        let snapshot =
            try reference.snapshot.map { try pool.snapshot($0, of: reference.volume) } ?? made(of: reference.volume, pool)
        if let target {
            let options = registry.options
            let digest = try await transferring { report in
                try await VolumePush(pool, options, report: report).run(reference.volume, snapshot, since: base, to: target)
            }
            return print("\(target.name)@\(digest)", to: .output)
        }
        let output = output
        try await blocking {
            guard let output else {
                var sink = FileSink(STDOUT_FILENO, "standard output")
                return try pool.writeVolume(reference.volume, snapshot, since: base, to: &sink)
            }
            try OutputFile.write(output, mode: 0o600) { number in
                var sink = FileSink(number, output)
                try pool.writeVolume(reference.volume, snapshot, since: base, to: &sink)
            }
        }
    }

    private func made(of volume: String, _ pool: Pool) throws -> VolumeSnapshot {
        try pool.emptyStaging()
        let made = try pool.snapshotVolume(volume)
        warn(ofMissing: made.missing, in: volume)
        print("made \(volume)@\(made.snapshot.name)", to: .errors)
        return made.snapshot
    }
}
