import Glibc
import Linux
import Synchronization

/// Keeps layers from being removed while a process is at work with them: a file with their ids in `pins`, under a lock that ends
/// with the process, however it ends.
final class LayerPin: Sendable {
    private let path: String
    private let lock: FileLock
    private let held = Mutex<Set<LayerID>>([])
    /// True if a layer may be used without being held where the pool has no room for that.
    private let isOptional: Bool

    init(in pool: Pool, isOptional: Bool = false) throws {
        self.isOptional = isOptional
        try Files.makeDirectories(pool.pins, mode: 0o700)
        path = "\(pool.pins)/\(hexadecimal((0..<8).map { _ in UInt8.random(in: 0...255) }))"
        lock = try FileLock(waitingFor: path)
    }

    deinit { unlink(path) }

    /// Holds a layer, which need not be there yet. One that is looked up afterwards, and is there, stays.
    func hold(_ id: LayerID, in pool: Pool) throws {
        // Within the mutex: who finds it held may count on the file.
        try held.withLock { held in
            if held.contains(id) { return }
            do {
                try pool.whileLayersStay {
                    let file = try OwnedFD.open(path, O_WRONLY | O_APPEND)
                    try Files.write("\(id.hex)\n".utf8, to: file.number, path)
                }
            } catch let error as SystemError where isOptional && Pool.isOutOfRoom(error) {
                return
            }
            held.insert(id)
        }
    }
}

extension Pool {
    var pins: String { "\(path)/pins" }

    /// The same pool, which holds every layer that is looked up, found as an action's result, or published through it: none of them is
    /// removed as long as it, or a copy, is there.
    public func holdingLayers() throws -> Pool {
        var pool = self
        pool.pin = try LayerPin(in: self)
        return pool
    }

    /// The same for who only reads: where the pool is full or read-only, it is read without holding what is read. What somebody removes
    /// meanwhile is an error then.
    public func holdingLayersToRead() throws -> Pool {
        var pool = self
        do {
            pool.pin = try LayerPin(in: self, isOptional: true)
        } catch let error as SystemError where Self.isOutOfRoom(error) {}
        return pool
    }

    /// Tells whether nothing more can be written to the pool.
    static func isOutOfRoom(_ error: SystemError) -> Bool { [ENOSPC, EDQUOT, EROFS].contains(error.code) }

    /// Does something that makes reading faster or safer, where the pool has room for it.
    func ifThereIsRoom(_ body: () throws -> Void) throws {
        do { try body() } catch let error as SystemError where Self.isOutOfRoom(error) {}
    }

    func hold(_ id: LayerID) throws { try pin?.hold(id, in: self) }

    /// Layers that processes hold. What those left that are gone is removed.
    func heldLayers() throws -> Set<LayerID> {
        guard Files.isDirectory(pins) else { return [] }
        var found: Set<LayerID> = []
        for name in try Files.list(pins) where !name.hasPrefix(".") {
            let path = "\(pins)/\(name)"
            if FileLock.isHeld(path) {
                let text = try Files.readTextIfPresent(path) ?? ""
                found.formUnion(text.split(separator: "\n").compactMap { LayerID(String($0)) })
            } else {
                unlink(path)
            }
        }
        return found
    }

    /// Whether some process is at work with layers.
    func hasHolders() throws -> Bool {
        guard Files.isDirectory(pins) else { return false }
        return try Files.list(pins).contains { !$0.hasPrefix(".") && FileLock.isHeld("\(pins)/\($0)") }
    }

    /// Does something while no layer is removed, which takes a moment: holding one, writing the record of a task that runs from one,
    /// or removing one that nobody has.
    func whileLayersStay<Result>(_ body: () throws -> Result) throws -> Result {
        try Files.makeDirectories(pins, mode: 0o700)
        let lock = try FileLock(waitingFor: "\(pins)/.lock")
        let result = try body()
        _ = consume lock
        return result
    }
}
