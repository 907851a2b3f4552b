import Glibc
import Linux

/// Something in a pool that can't be removed. It is moved out of the way, so that it holds nothing else up.
public struct StuckEntry: Sendable, Equatable, CustomStringConvertible {
    /// Where it is now.
    public let path: String
    /// What it was, and why it can't be removed.
    public let reason: String

    public var description: String {
        "\(reason); it was set aside in '\(path)'; see what is in the way, and try again: dish pool repair"
    }
}

extension Pool {
    var stuck: String { "\(path)/stuck" }

    /// Moves what can't be removed out of the way. Where even that can't be done, it stays.
    func setAside(_ path: String, _ error: any Error) -> StuckEntry {
        let reason = "cannot remove '\(path)': \(error)"
        let target = "\(stuck)/\(hexadecimal((0..<4).map { _ in UInt8.random(in: 0...255) }))-\(Files.name(of: path))"
        do {
            try Files.makeDirectories(stuck, mode: 0o700)
            try retryingInterrupts("set aside", path) { rename(path, target) }
        } catch {
            return StuckEntry(path: path, reason: reason)
        }
        try? Files.replace("\(target).reason", with: reason.utf8, mode: 0o600, durable: false)
        return StuckEntry(path: target, reason: reason)
    }

    /// Removes something of the pool, or moves it out of the way.
    ///
    /// - Returns: nil when it is gone.
    func removeOrSetAside(_ path: String, _ body: () throws -> Void) -> StuckEntry? {
        do {
            try body()
            return nil
        } catch {
            // Something else may have taken it meanwhile.
            return Files.exists(path) ? setAside(path, error) : nil
        }
    }

    /// What couldn't be removed before.
    public func stuckEntries() throws -> [StuckEntry] {
        guard Files.isDirectory(stuck) else { return [] }
        return try Files.list(stuck).filter { !$0.hasSuffix(".reason") }.map { name in
            let reason = try Files.readTextIfPresent("\(stuck)/\(name).reason")
            return StuckEntry(path: "\(stuck)/\(name)", reason: reason ?? "it couldn't be removed")
        }
    }

    /// Tries again to remove what couldn't be removed before.
    ///
    /// - Returns: what is still there.
    public func removeStuckEntries() throws -> [StuckEntry] {
        try stuckEntries().compactMap { entry in
            do {
                try StagingDirectory.remove(entry.path)
                unlink("\(entry.path).reason")
                return nil
            } catch {
                return StuckEntry(path: entry.path, reason: "\(error)")
            }
        }
    }
}
