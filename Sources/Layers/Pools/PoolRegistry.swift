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
        public let path: String
        public internal(set) var backing: Backing
        public internal(set) var settings: PoolSettings?

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
        Files.exists(file) ? try StateFile.read([Entry].self, file) : []
    }

    /// The pool to use when none is named.
    ///
    /// - Throws: `PoolError` `.notPool` when there is none.
    public func defaultPath() throws -> String {
        guard let first = try entries().first else {
            throw PoolError(
                .notPool,
                "no pool is configured; make one: dish pool create /var/lib/dish/pool --size 20G (or name one: --pool PATH)")
        }
        return first.path
    }

    /// The entry of a pool.
    ///
    /// - Throws: `PoolError` `.notPool` when this host doesn't know it.
    public func entry(_ path: String) throws -> Entry {
        let absolute = Files.absolute(path)
        guard let entry = try entries().first(where: { $0.path == absolute }) else {
            throw PoolError(.notPool, "'\(absolute)' is not a pool that this host knows; see: dish pool ls")
        }
        return entry
    }

    /// Where this host keeps what it has seen of a pool: it is of use when the pool itself is not.
    public func records(ofPool pool: Pool) -> String { "\(stateDirectory)/pools/\(pool.filesystemUUID)" }

    /// Opens a pool, mounting it first when this host knows how.
    public func open(_ path: String) throws -> Pool {
        let absolute = Files.absolute(path)
        if let entry = try entries().first(where: { $0.path == absolute }) { try Self.mount(entry) }
        return try Pool(at: absolute)
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

    private func change(_ body: (inout [Entry]) throws -> Void) throws {
        try Files.makeDirectories(Files.parent(of: file))
        let lock = try FileLock(waitingFor: file + ".lock")
        var entries = try entries()
        try body(&entries)
        try StateFile.write(entries, file)
        _ = consume lock
    }

    /// Mounts what isn't mounted.
    static func mount(_ entry: Entry) throws {
        if try Mounts.list().contains(where: { $0.path == entry.path }) { return }
        switch entry.backing {
        case .directory: return
        case .file(let file):
            guard Files.exists(file) else {
                throw PoolError(
                    .notPool,
                    "the pool at '\(entry.path)' is on the file '\(file)', which doesn't exist; bring the file back, or forget the pool: dish pool destroy --yes \(entry.path)"
                )
            }
            let device = try LoopDevice(file)
            let options = entry.settings?.mountOptions ?? ""
            try Mounts.mount(device.path, on: entry.path, type: "btrfs", flags: UInt(MS_NOATIME), data: options)
            // Mounted, it keeps itself; until here this value does.
            _ = consume device
        case .devices(let devices):
            // The kernel is told all devices, so that it needs no scan beforehand. Where one is gone, it may do without.
            let present = devices.filter { Files.exists($0) }
            let options = present.map { "device=\($0)" } + [entry.settings?.mountOptions].compactMap { $0 }
            guard let first = present.first else {
                throw PoolError(
                    .notPool, "the pool at '\(entry.path)' is on \(devices.joined(separator: ", ")), and none of them is there")
            }
            do {
                try Mounts.mount(
                    first, on: entry.path, type: "btrfs", flags: UInt(MS_NOATIME),
                    data: options.filter { !$0.isEmpty }.joined(separator: ","))
            } catch {
                let advice =
                    "see why: dmesg | grep -i btrfs; where a device is gone and its content is on others, go on without it: dish pool set \(entry.path) --mount-options degraded"
                throw PoolError(.damaged, "\(error): \(advice)")
            }
        }
    }
}
