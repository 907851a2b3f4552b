import ArgumentParser
import Layers

struct VolumeRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove volumes with their snapshots, or single snapshots.",
        discussion: """
            Examples:
              dish volume rm scratch
              dish volume rm data@monday
              dish volume rm --force scratch         one that isn't there is no error
            """)

    @Argument(help: "NAME or NAME@SNAPSHOT", completion: .volume)
    var names: [String]
    @OptionGroup var missing: MissingOption
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "remove volumes")
        let pool = try pool.open()
        try pool.emptyStaging()
        let references = try names.map { ($0, try VolumeReference($0)) }
        try await forEach(references.map(\.0)) { name in
            try await missing.accepting {
                let reference = try VolumeReference(name)
                // Its own error for one that isn't there.
                guard let snapshot = reference.snapshot else {
                    if try !pool.hasVolume(reference.volume) { _ = try pool.volume(reference.volume) }
                    return try pool.removeVolume(reference.volume)
                }
                _ = try pool.snapshot(snapshot, of: reference.volume)
                try pool.removeSnapshot(snapshot, of: reference.volume)
            }
        }
    }
}
