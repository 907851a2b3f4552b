import Btrfs
import Layers
import Manifest
import Spec

/// What is told of a volume.
struct VolumeRow: Encodable {
    let name: String
    let created: Int64
    /// The most bytes it may take; nil for no limit.
    let size: UInt64?
    /// Bytes that it and its snapshots take; nil where nobody counts.
    let used: UInt64?
    /// Whether several tasks may write to it at once.
    let shared: Bool
    /// Like `hourly=24,daily=7`; nil for none.
    let schedule: String?
    /// Oldest first.
    let snapshots: [VolumeSnapshot]
    /// Names of tasks.
    let users: [String]
    /// The subvolume with its data.
    let path: String
    /// Files without checksums, of one volume, as of when the agent last looked; nil for none, and in lists.
    private(set) var unchecked: UncheckedFiles?

    init(_ volume: Volume, in pool: Pool) throws {
        try self.init(volume, in: pool, on: pool.filesystem(), users: pool.tasks(using: volume.name))
        unchecked = try pool.uncheckedFiles(ofVolume: volume.name)
    }

    /// All volumes of a pool, by name.
    static func all(in pool: Pool) throws -> [VolumeRow] {
        let filesystem = try pool.filesystem()
        let users = try pool.tasksByVolume()
        var rows: [VolumeRow] = []
        for volume in try pool.allVolumes() {
            rows.append(try VolumeRow(volume, in: pool, on: filesystem, users: users[volume.name] ?? []))
        }
        return rows
    }

    private init(_ volume: Volume, in pool: Pool, on filesystem: borrowing Filesystem, users: [TaskRecord]) throws {
        name = volume.name
        created = volume.created
        size = volume.size
        shared = volume.shared == true
        schedule = volume.schedule?.description
        used = try pool.usage(of: volume, on: filesystem)
        snapshots = try pool.snapshots(of: volume)
        self.users = users.map(\.name)
        path = pool.data(ofVolume: volume.name)
    }
}

func byteCount(_ text: String) -> UInt64? { ByteCount(text)?.bytes }
