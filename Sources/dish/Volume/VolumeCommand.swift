import ArgumentParser
import Layers

struct VolumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume", abstract: "Data that outlives tasks.",
        discussion: """
            Examples:
              dish volume create data --size 10G
              dish run //web:db --name db --volume data:/var/lib/db
              dish volume set data --snapshots hourly=24,daily=7
              dish volume snapshot data monday
              dish volume restore data monday
              dish volume send data@monday | ssh backup dish volume receive data
            """,
        subcommands: [
            VolumeCreate.self, VolumeList.self, VolumeShow.self, VolumeSet.self, VolumeResize.self, VolumeSnapshotCommand.self,
            VolumeRestore.self, VolumeClone.self, VolumeSend.self, VolumeReceive.self, VolumeRemove.self,
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

/// Which snapshots the agent makes.
struct VolumeScheduleOption: ParsableArguments {
    @Option(help: "How many snapshots the agent makes and keeps, like hourly=24,daily=7,weekly=4,monthly=12; or none.")
    var snapshots: String?

    func validate() throws {
        if let snapshots, schedule == nil {
            throw ValidationError(
                "--snapshots '\(snapshots)': write hourly=24,daily=7,weekly=4,monthly=12, or some of them; or none.")
        }
    }

    /// Nil when it isn't asked for.
    var schedule: SnapshotSchedule? {
        snapshots.flatMap { $0 == "none" ? SnapshotSchedule() : SnapshotSchedule($0) }
    }
}
