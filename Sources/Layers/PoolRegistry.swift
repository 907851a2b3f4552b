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
        public let backing: Backing
    }

    private let file: String

    /// - Parameter stateDirectory: `/var/lib/dish`, unless configured otherwise.
    public init(stateDirectory: String) {
        file = "\(stateDirectory)/pools.json"
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

    private func change(_ body: (inout [Entry]) -> Void) throws {
        try Files.makeDirectories(Files.parent(of: file))
        let lock = try FileLock(waitingFor: file + ".lock")
        var entries = try entries()
        body(&entries)
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
            try Mounts.mount(device.path, on: entry.path, type: "btrfs", flags: UInt(MS_NOATIME))
            // Mounted, it keeps itself; until here this value does.
            _ = consume device
        case .devices(let devices):
            // The kernel is told all devices, so that it needs no scan beforehand.
            let options = devices.map { "device=\($0)" }.joined(separator: ",")
            try Mounts.mount(devices[0], on: entry.path, type: "btrfs", flags: UInt(MS_NOATIME), data: options)
        }
    }
}
