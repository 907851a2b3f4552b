import ArgumentParser
import Layers

struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "Data that outlives tasks.",
        discussion: """
            Examples:
              dish volume create data --size 10G
              dish run //web:db --name db --volume data:/var/lib/db
              dish volume snapshot data monday
              dish volume send data@monday | ssh backup dish volume receive data
            """,
        subcommands: [
            VolumeCreate.self, VolumeList.self, VolumeShow.self, VolumeSnapshotCommand.self, VolumeSend.self,
            VolumeReceive.self, VolumeRemove.self,
        ])
}

/// `NAME`, or `NAME@SNAPSHOT`.
struct VolumeReference {
    let volume: String
    let snapshot: String?

    init(_ text: String) throws {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, parts.allSatisfy({ Volume.isName($0) }) else {
            throw ValidationError("'\(text)' is no volume: write NAME or NAME@SNAPSHOT.")
        }
        volume = parts[0]
        snapshot = parts.count == 2 ? parts[1] : nil
    }
}

/// A size that may be left out.
struct VolumeSizeOption: ParsableArguments {
    @Option(help: "The most that it and its snapshots may take, like 10G.")
    var size: String?

    func validate() throws {
        if let size, byteCount(size) == nil { throw ValidationError("--size '\(size)' is not a size, like 10G.") }
    }

    var bytes: UInt64? { size.flatMap(byteCount) }
}
