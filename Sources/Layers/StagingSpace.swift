public import Btrfs
import Linux

/// How much of the pool an unfinished root may take. The limit is on a level-1 quota group, to which subvolumes made
/// inside the root belong too: they are no way around it.
extension Pool {
    /// Makes the quota group of a staging directory.
    ///
    /// - Parameter bytes: the most its members may write.
    /// - Returns: what its subvolumes must be made in; nothing on pools without quotas.
    public func limitSpace(of staged: StagingDirectory, to bytes: UInt64) throws -> [QuotaGroup] {
        guard try hasQuotas() else { return [] }
        let filesystem = try filesystem()
        try removeUnusedQuotaGroups()
        try filesystem.createQuotaGroup(staged.quotaGroup)
        try filesystem.limit(staged.quotaGroup, to: bytes)
        return [staged.quotaGroup]
    }

    /// Takes the root of a staging directory out of its group.
    ///
    /// - Parameter isDone: whether nothing else will be in the group, so that it can go.
    public func releaseSpace(of staged: StagingDirectory, isDone: Bool = true) throws {
        guard try hasQuotas() else { return }
        let filesystem = try filesystem()
        try filesystem.remove(.subvolume(Subvolume.info(staged.root).id), from: staged.quotaGroup)
        guard isDone else { return }
        // While subvolumes that were deleted in it still count, it can't go, and `removeUnusedQuotaGroups` takes it.
        try? filesystem.destroyQuotaGroup(staged.quotaGroup)
    }

    /// The groups of the staging directories that somebody is at work in.
    func stagingQuotaGroups() throws -> [UInt64] {
        try Files.list(staging).filter { $0.hasSuffix(".lock") }.flatMap { lock in
            let name = String(lock.dropLast(5))
            return [StagingDirectory.quotaGroup(ofName: name).number, StagingDirectory.volumeQuotaGroup(ofName: name).number]
        }
    }
}

extension StagingDirectory {
    var quotaGroup: QuotaGroup { Self.quotaGroup(ofName: Files.name(of: path)) }

    /// Tasks' groups have numbers below 2^40.
    static func quotaGroup(ofName name: String) -> QuotaGroup {
        let digits = UInt64(name, radix: 16) ?? 0
        return QuotaGroup(level: 1, number: 1 << 40 | digits & (1 << 40 - 1))
    }
}
