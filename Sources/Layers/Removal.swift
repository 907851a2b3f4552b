import Btrfs
import CLinux
import Glibc
import Linux

/// Removals, which work in a pool without room too.
///
/// The kernel has a reserve of its own for taking files and subvolumes away. Other steps of a removal need room for metadata, such as
/// taking the flags of an immutable directory away. The pool keeps `reserve` for them: files whose attributes fill blocks of a tree. One
/// after the other is removed, because making one anew needs more room than it gives.
extension Pool {
    private var reserve: String { "\(path)/reserve" }

    /// Bytes of metadata in each file of the reserve.
    private static let reserveFileSize: UInt64 = 1 << 19

    /// Number of files in the reserve.
    private static let reserveCount = 8

    /// Makes what is missing of the reserve, as far as there is room for it.
    public func keepReserve() throws {
        let missing = (0..<Self.reserveCount).map { "\(reserve)/\($0)" }.filter { !Files.exists($0) }
        guard !missing.isEmpty else { return }
        try ifThereIsRoom {
            try Files.makeDirectories(reserve, mode: 0o700)
            let staged = try StagingDirectory(in: self)
            // An attribute can't be longer than a block without its headers.
            let blockSize = try filesystem().blockSize()
            let value = [UInt8](repeating: 0, count: Int(blockSize) - 512)
            for target in missing {
                let file = "\(staged.path)/\(Files.name(of: target))"
                _ = try OwnedFD.open(file, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
                for number in 0..<Self.reserveFileSize / blockSize {
                    try retryingInterrupts("set attribute", file) {
                        dish_setxattr(file, "trusted.reserve.\(number)", value, UInt(value.count), 0)
                    }
                }
                try retryingInterrupts("keep", target) { rename(file, target) }
            }
        }
    }

    /// Removes a file of the reserve.
    ///
    /// - Returns: false when there is none left.
    private func spendReserve() -> Bool {
        (0..<Self.reserveCount).contains { unlink("\(reserve)/\($0)") == 0 }
    }

    /// Removes something. Where there is no room for it, it is tried again: commits give back what went before, then the reserve goes, a
    /// part for each attempt. Tasks that write all the time want the same room.
    ///
    /// - Parameter body: what can be done again when a part of it was done.
    func freeing<Result>(_ body: () throws -> Result) throws -> Result {
        var attempt = 0
        var isSpent = false
        defer {
            if isSpent {
                try? filesystem().waitForCleaner(seconds: 2)
                try? keepReserve()
            }
        }
        while true {
            do {
                return try body()
            } catch let error as SystemError where error.code == ENOSPC && attempt <= Self.reserveCount {
                let filesystem = try filesystem()
                if attempt > 0 {
                    let spends = spendReserve()
                    isSpent = isSpent || spends
                    // Nothing comes back any more.
                    guard try spends || filesystem.hasRemovedSubvolumes() else { throw error }
                }
                attempt += 1
                try? filesystem.commit()
                // What was removed may be open elsewhere.
                try? filesystem.waitForCleaner(seconds: 1)
            }
        }
    }

    /// Removes a part of something that stays, as a snapshot of a volume. Limits are lifted where it has no room in its owner's, and only
    /// for that long.
    private func freeing(in groups: [QuotaGroup], _ body: () throws -> Void) throws {
        do {
            return try freeing(body)
        } catch let error as SystemError where error.code == EDQUOT {}
        let filesystem = try filesystem()
        let limited = groups.compactMap { group in (try? filesystem.usage(of: group))?.limit.map { (group, $0) } }
        defer { for (group, bytes) in limited { try? filesystem.limit(group, to: bytes) } }
        for (group, _) in limited { try filesystem.limit(group, to: nil) }
        try freeing(body)
    }

    /// Nil on a pool in which there is no room to make one.
    func placeToRemove() throws -> StagingDirectory? {
        do {
            return try StagingDirectory(in: self)
        } catch let error as SystemError where error.code == ENOSPC {
            return nil
        }
    }

    /// Takes a directory with subvolumes away in one step, and removes it; where there is no room even for that, in place. Its record is the
    /// last to go there: what can't be removed now still has its name, by which it can be removed later.
    ///
    /// - Parameters:
    ///   - groups: of its owner, whose limits may leave no room.
    ///   - place: what it is called in staging.
    func takeAway(
        _ directory: String, record: String, _ what: String, groups: [QuotaGroup], as place: (StagingDirectory) -> String
    ) throws {
        if let staged = try placeToRemove() {
            if rename(directory, place(staged)) == 0 {
                // It is gone for everybody. What is left of it goes with the next look into staging.
                try? freeing(in: groups) { try staged.remove() }
                return
            }
            let code = errno
            guard code == ENOSPC || code == EDQUOT else { throw SystemError("remove", what, code: code) }
        }
        try freeing(in: groups) {
            try StagingDirectory.removeAll(directory, last: record)
        }
    }
}
