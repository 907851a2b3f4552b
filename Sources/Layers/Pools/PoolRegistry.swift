import Btrfs
import Glibc
import Linux

/// The pools this host knows: what is mounted where, so that a loop file or device is mounted again after a
/// restart. One file, `pools.json`, in the host's state directory.
public struct PoolRegistry: Sendable {
    /// What a pool's file system is on.
    public enum Backing: Sendable, Codable, Equatable {
        /// A file that a loop device makes a block device.
        case file(String)
        /// Block devices of one file system.
        case devices([String])
        /// A directory on Btrfs that somebody else mounts.
        case directory
    }

    public struct Entry: Sendable, Codable, Equatable {
        /// Without symbolic links: the kernel lists mounts so.
        public internal(set) var path: String
        public internal(set) var backing: Backing
        public internal(set) var settings: PoolSettings?
        /// Of a pool on devices, its file system's UUID, by which its devices are known. What was written before this was kept has none.
        var filesystem: String?

        init(path: String, backing: Backing, settings: PoolSettings? = nil) {
            self.path = path
            self.backing = backing
            self.settings = settings
        }
    }

    private let stateDirectory: String
    private var file: String { "\(stateDirectory)/pools.json" }

    /// - Parameter stateDirectory: `/var/lib/dish`, unless configured otherwise.
    public init(stateDirectory: String) {
        self.stateDirectory = stateDirectory
    }

    /// Known pools; the first is the default.
    public func entries() throws -> [Entry] {
        var status = stat()
        guard lstat(file, &status) == 0 else {
            // Without permission nobody can know that there is none.
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw SystemError("read", file)
        }
        return try StateFile.read([Entry].self, file).map { entry in
            var entry = entry
            entry.path = Files.resolved(entry.path)
            if case .file(let file) = entry.backing { entry.backing = .file(Files.resolved(file)) }
            return entry
        }
    }

    /// The pool to use when none is named.
    ///
    /// - Throws: `PoolError` `.notPool` when there is none.
    public func defaultPath() throws -> String {
        guard let first = try entries().first else {
            throw PoolError(
                .notPool,
                "no pool is configured; make one: dish pool create /var/lib/dish/pool --size 20G (or name one)",
                settings: ["pool"])
        }
        return first.path
    }

    /// The entry of a pool.
    ///
    /// - Throws: `PoolError` `.notPool` when this host doesn't know it.
    public func entry(_ path: String) throws -> Entry {
        let path = Files.resolved(path)
        guard let entry = try entries().first(where: { $0.path == path }) else {
            throw PoolError(.notPool, "'\(path)' is not a pool that this host knows; see: dish pool ls")
        }
        return entry
    }

    /// What people have chosen for a pool; the defaults for one that this host doesn't know.
    public func settings(of pool: Pool) throws -> PoolSettings {
        try entries().first { $0.path == pool.path }?.settings ?? PoolSettings()
    }

    /// Where this host keeps what it has seen of a pool: it is of use when the pool itself is not.
    public func records(ofPool pool: Pool) -> String { records(ofFilesystem: pool.filesystemUUID) }

    func records(ofFilesystem uuid: String) -> String { "\(stateDirectory)/pools/\(uuid)" }

    /// Opens a pool, mounting it first when this host knows how.
    public func open(_ path: String) throws -> Pool {
        try mount(path)
        return try Pool(at: Files.resolved(path))
    }

    /// Mounts a pool that isn't mounted, when this host knows how.
    public func mount(_ path: String) throws {
        let path = Files.resolved(path)
        if let entry = try entries().first(where: { $0.path == path }) { try mount(entry) }
    }

    func add(_ entry: Entry) throws {
        try change { entries in
            entries.removeAll { $0.path == entry.path }
            entries.append(entry)
        }
    }

    func remove(_ path: String) throws {
        try change { $0.removeAll { $0.path == path } }
    }

    /// Changes one entry.
    func change(_ path: String, _ body: (inout Entry) throws -> Void) throws {
        try change { entries in
            for index in entries.indices where entries[index].path == path { try body(&entries[index]) }
        }
    }

    /// Whoever has it changes this host's pools, or mounts one.
    func lock() throws -> FileLock {
        try Files.makeDirectories(Files.parent(of: file))
        return try FileLock(waitingFor: file + ".lock")
    }

    private func change(_ body: (inout [Entry]) throws -> Void) throws {
        let lock = try lock()
        var entries = try entries()
        try body(&entries)
        try StateFile.write(entries, file)
        _ = consume lock
    }
}
