public import Btrfs
import Glibc
import Linux

/// A pool on disk: a Btrfs file system, or a directory of one, with this layout:
///
/// ```
/// pool.json                                    what makes the directory a pool
/// layers/<layer id>/{layer.json, index, rootfs} rootfs: read-only subvolume; index: one with its nodes; capabilities.json
/// tasks/<task id>/{task.json, rootfs, logs}    rootfs: read-write snapshot of a layer; intent.json: the agent's copy
/// names/<name>  actions/<key>                  each a file that holds a layer id
/// builds/<label>/<number>.json                 what each build was made from, and what ran
/// failed/<label>/{failure.json, rootfs}        what a failed step found
/// volumes/<name>/{volume.json, data, snapshots}  data and snapshots/<name>/{data, index}: subvolumes
/// logs/<task id>/{removed.json, logs}          logs of tasks that were removed
/// tests/<label>/<test>.json                    that a test has passed
/// staging/<random>/                            everything unfinished
/// pins/<random>                                layers that a process is at work with
/// kept/<owner>                                 layers that an agent's jobs count on
/// cache/                                       fetched packages, by digest
/// stuck/<random>                               what couldn't be removed
/// reserve/<number>                             room for removals when there is none else
/// ```
///
/// Each subvolume has a parent directory of its own: snapshots into one directory wait for each
/// other on its inode lock.
public struct Pool: Sendable {
    /// Absolute path, without symbolic links.
    public let path: String
    /// The UUID of the file system.
    public let filesystemUUID: String
    /// Holds the layers that are looked up; nil to hold none.
    var pin: LayerPin?

    static let version = 1

    struct Marker: Codable {
        let version: Int
    }

    public var layers: String { "\(path)/layers" }
    public var tasks: String { "\(path)/tasks" }
    public var cache: String { "\(path)/cache" }
    var names: String { "\(path)/names" }
    var actions: String { "\(path)/actions" }
    var staging: String { "\(path)/staging" }
    private static let directories = ["layers", "tasks", "cache", "names", "actions", "staging"]

    /// Whether it can be written: Btrfs turns read-only after an error.
    public var isWritable: Bool { access(path, W_OK) == 0 }

    /// Opens a pool.
    ///
    /// - Throws: `PoolError` `.notBtrfs`, `.notPool` with what to do about it.
    public init(at given: String) throws {
        guard let resolved = realpath(given, nil) else {
            if errno == EACCES { throw SystemError("open pool", given) }
            throw PoolError(
                .notPool, "there is no pool at '\(given)'; make one: dish pool create \(given) --size 20G")
        }
        defer { free(resolved) }
        let path = String(cString: resolved)
        let filesystem: Filesystem
        do {
            filesystem = try Filesystem(at: path)
        } catch is BtrfsError {
            let type = try Mounts.containing(path)?.type ?? "an unknown file system"
            throw PoolError(
                .notBtrfs,
                "'\(given)' can't be a pool: it is on \(type), not Btrfs; make one: dish pool create PATH --size 20G")
        }
        guard Files.exists("\(path)/pool.json") else {
            throw PoolError(
                .notPool, "'\(given)' is on Btrfs but isn't a pool; make it one: dish pool create \(given)")
        }
        let marker = try StateFile.read(Marker.self, "\(path)/pool.json")
        guard marker.version == Self.version else {
            throw PoolError(
                .notPool, "the pool at '\(given)' has layout version \(marker.version); this program knows \(Self.version)")
        }
        self.path = path
        filesystemUUID = filesystem.uuid
    }

    /// Makes an existing directory on Btrfs a pool; one that is a pool already is left as it is.
    ///
    /// - Parameter quotas: whether disk use is counted and limited. A file system that ever had simple quotas can't be
    ///   mounted by kernels before 6.7.
    public static func initialize(at path: String, quotas: Bool = true) throws -> Pool {
        do {
            return try Pool(at: path)
        } catch let error as PoolError where error.code == .notPool && Files.isDirectory(path) {}
        let filesystem = try Filesystem(at: path)
        do {
            if quotas { try filesystem.enableSimpleQuotas() }
        } catch let error as SystemError where error.code == EINVAL || error.code == ENOTTY {
            // Kernels before 6.7: the pool works, and limits on disk use are refused with this reason.
        }
        for directory in directories { try Files.makeDirectories("\(path)/\(directory)", mode: 0o700) }
        try StateFile.write(Marker(version: version), "\(path)/pool.json")
        let pool = try Pool(at: path)
        try pool.keepReserve()
        return pool
    }

    /// The file system the pool is on.
    public func filesystem() throws -> Filesystem {
        try Filesystem(at: path)
    }

    /// Whether disk limits can be enforced.
    public func hasQuotas() throws -> Bool {
        try filesystem().quotaMode() == .simple
    }
}
