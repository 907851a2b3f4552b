import Btrfs
import Glibc
public import Linux
import Synchronization

/// A place for unfinished work in a pool. Whatever is still in it when this value goes is removed; what
/// a killed process left is removed by `Pool.cleanStaging`.
public final class StagingDirectory: Sendable {
    public let path: String
    private let lock: FileLock
    private let devices = Mutex(LeftOutNodes())

    /// Device nodes that were taken away from the root.
    public var leftOut: LeftOutNodes { devices.withLock { $0 } }

    func note(_ nodes: LeftOutNodes) { devices.withLock { $0.add(nodes) } }

    /// Where the root file system being made is.
    public var root: String { "\(path)/rootfs" }

    public init(in pool: Pool) throws {
        let name = hexadecimal((0..<8).map { _ in UInt8.random(in: 0...255) })
        let directory = "\(pool.staging)/\(name)"
        // The lock comes first and lies beside the directory, so that there is no moment in which
        // the directory exists and looks abandoned.
        let held = try FileLock(waitingFor: directory + ".lock")
        do {
            try Files.makeDirectories(directory, mode: 0o700)
        } catch {
            unlink(directory + ".lock")
            throw error
        }
        path = directory
        lock = held
    }

    deinit {
        try? Self.remove(path)
    }

    /// Removes it now: who holds the last reference, and lets it go when, can't be known where tasks share it.
    public func remove() throws {
        try Self.remove(path)
    }

    static func remove(_ path: String) throws {
        if Files.exists(path) {
            // Where all that may be written is, even a subvolume can't be deleted from the directory it is in.
            let group = quotaGroup(ofName: Files.name(of: path))
            try Filesystem(at: Files.parent(of: path)).withoutLimits(of: [group]) { try removeAll(path) }
        }
        unlink(path + ".lock")
    }

    /// Removes a directory with subvolumes in it.
    ///
    /// - Parameter last: a file in it that goes after the rest.
    static func removeAll(_ path: String, last: String? = nil) throws {
        // Others may have put a file there.
        if Files.isDirectory(path, followsLink: false) {
            try removeSubvolumes(path)
            for name in try Files.list(path) where last != nil && name != last { try Files.removeTree("\(path)/\(name)") }
        }
        try Files.removeTree(path)
    }

    /// How many directories deep they may lie: as those of a volume's snapshots. What is below them isn't this program's.
    private static let depth = 3

    private static func removeSubvolumes(_ directory: String, depth: Int = depth) throws {
        var failure: SystemError?
        for name in try Files.list(directory) {
            let path = "\(directory)/\(name)"
            guard Files.isDirectory(path, followsLink: false) else { continue }
            do {
                if Subvolume.exists(path) {
                    try Subvolume.deleteRecursively(path)
                } else if depth > 0 {
                    try removeSubvolumes(path, depth: depth - 1)
                }
            } catch let error as SystemError where error.code == ENOSPC {
                // The others may give back the room that it needs.
                failure = error
            }
        }
        if let failure { throw failure }
    }
}

extension Pool {
    /// Whether there is a directory of this name in staging.
    public func hasStaged(_ name: String) -> Bool { Files.exists("\(staging)/\(name)") }

    /// Removes what processes that are gone left in staging. Directories whose owner lives stay.
    ///
    /// - Parameter report: called with what couldn't be removed, and is out of the way (`stuckEntries`).
    public func cleanStaging(report: (StuckEntry) -> Void = { _ in }) throws {
        for name in try Files.list(staging) {
            let path = "\(staging)/\(name)"
            if name.hasSuffix(".lock") {
                guard let lock = try? FileLock.acquire(path) else { continue }
                let directory = String(path.dropLast(5))
                removeOrReport(directory, report) { try freeing { try StagingDirectory.remove(directory) } }
                unlink(path)
                _ = consume lock
            } else if !Files.exists(path + ".lock") {
                removeOrReport(path, report) { try freeing { try StagingDirectory.remove(path) } }
            }
        }
    }
}
