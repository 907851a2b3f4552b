import Spec

/// Data that outlives tasks: a read-write subvolume, and read-only snapshots of it (docs/volumes.md).
public struct Volume: Sendable, Codable, Equatable {
    public let name: String
    /// When it was made in this pool, in seconds since 1970.
    public let created: Int64
    /// The most bytes that it and its snapshots may take; nil for no limit.
    public internal(set) var size: UInt64?
    /// The number of its level-1 quota group; nil on pools without quotas.
    public let quotaGroup: UInt64?
    /// Whether several tasks may write to it at once; nil for no.
    public internal(set) var shared: Bool?
    /// Which snapshots the agent makes and keeps; nil for none.
    public internal(set) var schedule: SnapshotSchedule?
    /// True if the first task that has it fills it with what the image has in that place; nil for no.
    public internal(set) var awaitsContent: Bool?
}

/// What was in a volume at some time.
public struct VolumeSnapshot: Sendable, Codable, Equatable {
    /// Unique in its volume.
    public let name: String
    /// The digest of its tree: equal content has the same id on any host.
    public let id: LayerID
    /// When it was made, wherever that was, in seconds since 1970.
    public let created: Int64
    /// Files of all types.
    public let entries: Int
    /// Bytes of all regular files.
    public let size: Int64
    /// Whether the agent made it by the volume's schedule, which takes it away again; nil for no.
    public internal(set) var scheduled: Bool?
    /// Whether no schedule takes it away; nil for no.
    public internal(set) var pinned: Bool?
    /// The identity that it was received with, from a stream that `btrfs send` wrote; nil for any other.
    public internal(set) var subvolume: KernelSubvolume?
}

extension Volume {
    /// True for a valid name of a volume or a snapshot.
    public static func isName(_ name: String) -> Bool { Names.isVolume(name) }

    static func requireName(_ name: String, _ what: String) throws {
        guard isName(name) else {
            throw PoolError(
                .invalid,
                "'\(name)' can't be a \(what)'s name: use letters, digits and . - _, 63 at most, a letter or digit first")
        }
    }
}
