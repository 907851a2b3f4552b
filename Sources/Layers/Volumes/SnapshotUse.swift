import Linux

/// Keeps a snapshot of a volume from being removed while it is read: a locked file beside it.
final class SnapshotUse {
    private let path: String
    private let lock: FileLock

    init(_ snapshot: String, of volume: String, in pool: Pool) throws {
        let directory = pool.directory(ofSnapshot: snapshot, of: volume)
        path = "\(directory)/.use-\(hexadecimal((0..<8).map { _ in UInt8.random(in: 0...255) }))"
        lock = try FileLock(waitingFor: path)
    }

    deinit { _ = try? Files.removeTree(path) }
}

extension Pool {
    /// Whether somebody reads a snapshot now.
    func isInUse(_ snapshot: String, of volume: String) throws -> Bool {
        let directory = directory(ofSnapshot: snapshot, of: volume)
        return try Files.list(directory).contains { $0.hasPrefix(".use-") && FileLock.isHeld("\(directory)/\($0)") }
    }
}
