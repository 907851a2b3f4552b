import Btrfs
import Glibc
import Linux

/// Something in a pool that can't be removed. It is moved out of the way, so that it holds nothing else up.
public struct StuckEntry: Sendable, Equatable, CustomStringConvertible {
    /// Where it is now.
    public let path: String
    /// What it was, and why it can't be removed.
    public let reason: String
    /// True if it is out of the way.
    var isSetAside = true

    public var description: String {
        isSetAside
            ? "\(reason); it was set aside in '\(path)' and is tried again now and then; see what is in the way: dish pool repair"
            : "\(reason); it stays where it is and is tried again"
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
            // Before the entry, with which it goes.
            try? Files.replace("\(target).reason", with: reason.utf8, mode: 0o600, durable: false)
            try retryingInterrupts("set aside", path) { rename(path, target) }
        } catch {
            unlink("\(target).reason")
            return StuckEntry(path: path, reason: reason, isSetAside: false)
        }
        return StuckEntry(path: target, reason: reason)
    }

    /// Removes something of the pool, or moves it out of the way.
    ///
    /// - Parameter isRepeated: whether the caller tries again what fails because the host is short of something.
    /// - Returns: nil when it is gone.
    /// - Throws: what may pass, with `isRepeated`; then it stays where it is.
    func removeOrSetAside(_ path: String, isRepeated: Bool = true, _ body: () throws -> Void) throws -> StuckEntry? {
        do {
            try body()
            return nil
        } catch {
            // Something else may have taken it meanwhile.
            guard Files.exists(path) else { return nil }
            if isRepeated, Self.mayPass(error) { throw error }
            return setAside(path, error)
        }
    }

    /// Removes something that is looked for again and again, or moves it out of the way, unless the failure may pass.
    func removeOrReport(_ path: String, _ report: (StuckEntry) -> Void, _ body: () throws -> Void) {
        do {
            try removeOrSetAside(path, body).map(report)
        } catch {
            report(StuckEntry(path: path, reason: "cannot remove '\(path)': \(error)", isSetAside: false))
        }
    }

    /// Tells whether an error says nothing of what was to be removed: the host was short of something, or somebody stopped it.
    private static func mayPass(_ error: any Error) -> Bool {
        if error is CancellationError { return true }
        guard let code = (error as? SystemError)?.code else { return false }
        return [ENOSPC, EDQUOT, EINTR, ENOMEM, EIO, EROFS].contains(code)
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
    /// - Parameter most: how many of them, chosen at random; nil for all.
    /// - Returns: those of them that are still there.
    @discardableResult
    public func removeStuckEntries(most: Int? = nil) throws -> [StuckEntry] {
        let all = try stuckEntries()
        return (most.map { Array(all.shuffled().prefix($0)) } ?? all).compactMap { entry in
            do {
                if Files.exists(entry.path) { try freeing { try StagingDirectory.removeAll(entry.path) } }
                unlink("\(entry.path).reason")
                return nil
            } catch {
                return StuckEntry(path: entry.path, reason: "\(error)")
            }
        }
    }
}

extension Filesystem {
    /// Lifts limits while something is removed; where that fails, what remains is limited again.
    func withoutLimits(of groups: [QuotaGroup], _ body: () throws -> Void) throws {
        let limited = groups.compactMap { group in (try? usage(of: group))?.limit.map { (group, $0) } }
        for (group, _) in limited { try? limit(group, to: nil) }
        do {
            try body()
        } catch {
            for (group, bytes) in limited { try? limit(group, to: bytes) }
            throw error
        }
    }
}
