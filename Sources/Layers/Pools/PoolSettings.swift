public import Btrfs

/// How content is spread over the devices of a new pool; nil for what mkfs.btrfs(8) takes: for one device data once and metadata twice,
/// for several data once and metadata on two of them.
public struct PoolProfiles: Sendable, Equatable {
    public var data: Profile?
    public var metadata: Profile?

    public init(data: Profile? = nil, metadata: Profile? = nil) {
        self.data = data
        self.metadata = metadata
    }
}

/// What people have chosen for a pool on this host.
public struct PoolSettings: Sendable, Codable, Equatable {
    /// How what is written from now on is compressed, `zstd:3`; nil: it isn't.
    public var compression: String?
    /// Further options of the mount; nil for none.
    public var options: [String]?
    /// After how many seconds the agent scrubs it again; nil: never.
    public var scrubEvery: Int64?
    /// Bytes of layers that the agent compares with their ids in a second; nil for the default, 0 for none.
    public var checkRate: UInt64?

    /// Bytes in a second.
    public static let defaultCheckRate: UInt64 = 8 << 20
    /// The least that can be chosen: a layer must come to its end.
    public static let leastCheckRate: UInt64 = 64 << 10

    public var effectiveCheckRate: UInt64 { checkRate ?? Self.defaultCheckRate }

    /// Seconds after which each layer is compared again: as often as the pool is scrubbed, or else each week.
    public var effectiveCheckEvery: Int64 { scrubEvery ?? 7 * 86400 }

    public init() {}

    /// As mount(8) has them.
    ///
    /// A task's root may remove the subvolumes that it has made, by their names. By their numbers, which reach all of the file system, the
    /// kernel lets nobody do it through an id-mapped mount, and no task has the request (docs/security.md).
    var mountOptions: String {
        (["user_subvol_rm_allowed"] + (compression.map { ["compress=\($0)"] } ?? []) + (options ?? [])).joined(separator: ",")
    }

    /// Whether there is such an algorithm and level: `zstd`, `zstd:1` to `zstd:15`, `zlib:1` to `zlib:9`, `lzo`.
    public static func isCompression(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let levels: ClosedRange<Int>? =
            switch parts[0] {
            case "zstd": 1...15
            case "zlib": 1...9
            case "lzo": nil
            default: 0...0
            }
        if levels == 0...0 || parts.count > 2 { return false }
        guard parts.count == 2 else { return true }
        return levels.map { levels in Int(parts[1]).map(levels.contains) == true } ?? false
    }

    /// Options of Btrfs that change neither what is shown nor who may do what.
    private static let flags: Set<String> = [
        "ssd", "nossd", "ssd_spread", "autodefrag", "noautodefrag", "discard", "discard=sync", "discard=async", "nodiscard",
        "degraded", "flushoncommit", "noflushoncommit", "skip_balance",
    ]
    private static let numbers: Set<String> = ["commit", "max_inline", "metadata_ratio", "thread_pool"]

    /// - Parameter option: one of them, such as `discard=async` or `commit=60`.
    public static func isMountOption(_ option: String) -> Bool {
        if flags.contains(option) { return true }
        let parts = option.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        return parts.count == 2 && numbers.contains(parts[0]) && UInt32(parts[1]) != nil
    }

    /// Seconds from `7d`, `12h`, `30m`; nil when it is none.
    public static func seconds(_ text: String) -> Int64? {
        let units: [Character: Int64] = ["m": 60, "h": 3600, "d": 86400, "w": 7 * 86400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), (1...10_000).contains(count) else {
            return nil
        }
        return count * unit
    }

    /// The other way round.
    public static func text(ofSeconds seconds: Int64) -> String {
        let unit = [("d", Int64(86400)), ("h", 3600)].first { seconds % $0.1 == 0 } ?? ("m", 60)
        return "\(seconds / unit.1)\(unit.0)"
    }
}
