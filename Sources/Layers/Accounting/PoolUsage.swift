import Btrfs
import Linux

/// Who uses how much of a pool; all figures in bytes (docs/accounting.md).
///
/// Two ways of counting stand side by side. `own`, `shared` and `limit` are quota groups': each extent is billed for life to the
/// subvolume that wrote it first. What an entry refers to, has alone, and would free comes from the index of extents.
public struct PoolUsage: Sendable, Codable, Equatable {
    public struct Entry: Sendable, Codable, Equatable {
        /// A layer's label or a task's name; `task@snapshot` of a snapshot.
        public let name: String
        public let id: String
        /// What only it is billed for; nil where quotas are off.
        public let own: UInt64?
        /// What the layers below it are billed for: an upper bound of what it shares with others,
        /// because it may have replaced some of it.
        public let shared: UInt64?
        /// The most `own` may become; nil for no limit.
        public let limit: UInt64?
        /// What its figures by extents are; nil for one that is younger than the index.
        public internal(set) var held: Held?
    }

    /// By extents: what is where, whoever is billed for it.
    public struct Held: Sendable, Codable, Equatable {
        /// Extents that its files refer to.
        public let referenced: UInt64
        /// Extents that nothing else refers to.
        public let exclusive: UInt64
        /// Those that something else refers to as well.
        public let sharedWithOthers: UInt64
        /// Blocks of trees that only it has: names, attributes, small files.
        public let metadata: UInt64
        /// What removing it frees: what is exclusive, and those blocks.
        public let freed: UInt64
        /// Bytes of content for each byte that `referenced` takes; 1 where nothing is compressed.
        public let compression: Double
        /// Whether nothing of it changed since the index was made.
        public let isCurrent: Bool
        /// Its files without checksums, of the one that has the most where it is several subvolumes; nil for none.
        public let unchecked: UncheckedFiles?
    }

    /// What belongs to none of the others.
    public struct Other: Sendable, Codable, Equatable {
        public enum Kind: String, Sendable, Codable {
            /// Logs of a task, which stay for a time when it is removed.
            case logs
            /// What a failed build step found.
            case failed
            /// What is unfinished.
            case staging
            /// The pool's own files: records, fetched packages.
            case pool
            /// Subvolumes that aren't Butterdish's.
            case other
        }

        public let kind: Kind
        public let name: String
        /// A task's, of logs; else nil.
        public let id: String?
        /// True if they are logs of a task that was removed.
        public let isRemoved: Bool
        public let held: Held
    }

    /// How the figures by extents add up to the file system's own.
    public struct Sum: Sendable, Codable, Equatable {
        /// When the index was made, in seconds since 1970.
        public let taken: Int64
        /// How long that took.
        public let seconds: Double
        /// Subvolumes of the pool now.
        public let subvolumes: Int
        /// How many of them have changed since, or are new.
        public let changed: Int
        /// Extents that the pool's subvolumes refer to, each once.
        public let data: UInt64
        /// Of those, what more than one of the entries refers to.
        public let sharedData: UInt64
        /// Content for each byte of `data`.
        public let compression: Double
        /// Data to which only subvolumes refer that were removed since, and that the kernel is still cleaning up.
        public let removedData: UInt64
        /// The file system's figure less these two: what was written since, and what others have on the same file system. Never negative.
        public let unaccountedData: Int64
        /// Blocks of the subvolumes' trees.
        public let metadata: UInt64
        /// Blocks of the file system's own trees: extents, checksums, free space, quotas.
        public let ownMetadata: UInt64
        /// Blocks of the trees of subvolumes that were removed, and of what isn't the pool's.
        public let removedMetadata: UInt64
        /// The file system's figure less these three. Never negative.
        public let unaccountedMetadata: Int64
    }

    /// Extents that exactly these entries refer to.
    public struct Sharing: Sendable, Codable, Equatable {
        public let data: UInt64
        public let metadata: UInt64
        /// Such as `layer //web:app`, `task web`, `snapshot web@monday`.
        public let holders: [String]
    }

    public let path: String
    /// Size of all devices.
    public let total: UInt64
    public let available: UInt64
    public let dataUsed: UInt64
    public let metadataUsed: UInt64
    /// Whether disk use is counted and limited (simple quotas).
    public let quotas: Bool
    public let layers: [Entry]
    public let tasks: [Entry]
    public let volumes: [Entry]
    /// Of tasks and volumes.
    public let snapshots: [Entry]
    public let others: [Other]
    public let sum: Sum
}

extension Pool {
    /// Who uses how much, without reading any tree: from quota groups, and from the index, which is made if there is none.
    ///
    /// - Parameter refreshes: whether the index is brought up to date first.
    public func usage(refreshes: Bool = false) throws -> PoolUsage {
        let index = try currentIndex(refreshes)
        let usage = try UsageReport(self, index).usage()
        // More was freed since than written: what the index says can't be.
        guard usage.sum.data > usage.dataUsed || usage.sum.metadata > usage.metadataUsed else { return usage }
        return try UsageReport(self, refreshUsage(syncs: true, isKept: false)).usage()
    }

    /// What an entry shares with whom, the largest share first.
    ///
    /// - Parameter name: of a layer, task, volume or snapshot, or an id or the beginning of one.
    public func sharing(of name: String, refreshes: Bool = false) throws -> [PoolUsage.Sharing] {
        try UsageReport(self, currentIndex(refreshes)).sharing(of: name)
    }

    private func currentIndex(_ refreshes: Bool) throws -> UsageIndex {
        // One without members is what a killed process, or an older program, left there.
        if !refreshes, let index = usageIndex(), !index.members.isEmpty { return index }
        return try refreshUsage(syncs: true, isKept: false)
    }
}
