import Btrfs
import Linux

/// Bytes that no layer, task or volume is billed for by simple quotas, by what it is: with their bills it adds up to what is used.
public struct PoolBills: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Logs of tasks, removed ones included.
        case logs
        /// Findings of failed build steps.
        case failed
        /// The unfinished part.
        case staging
        /// The pool's own files: records, fetched packages.
        case pool
        /// Data that was removed and something still shares, or the kernel is still cleaning up.
        case removed
        /// Subvolumes that aren't Butterdish's.
        case other
        /// The file system's own trees, and what was written before quotas were on.
        case system
    }

    /// Bytes; nothing for a kind that has none.
    public private(set) var bytes: [Kind: UInt64] = [:]

    /// - Parameter usage: of the same pool.
    init(_ pool: Pool, _ usage: PoolUsage) throws {
        let filesystem = try pool.filesystem()
        let subjects = Dictionary(try pool.subvolumes().map { ($0.root.id, $0.subject) }) { first, _ in first }
        let owners = Set(try pool.allTasks().compactMap(\.quotaGroup) + pool.allVolumes().compactMap(\.quotaGroup))
        let logs = Set(try pool.logQuotaGroups())
        for group in try filesystem.quotaGroups() where group.level == 0 {
            guard let used = try filesystem.usage(of: group)?.used, used > 0 else { continue }
            let kind: Kind
            switch subjects[group.number] {
            // Theirs.
            case .layer, .task, .taskSnapshot, .volume, .volumeSnapshot: continue
            case .logs: kind = .logs
            case .failed: kind = .failed
            case .staging: kind = .staging
            case .pool: kind = .pool
            case .other: kind = .other
            case nil:
                // What is left of a removed snapshot is billed to its task or volume.
                let above = try filesystem.groups(of: group).map(\.number)
                if above.contains(where: owners.contains) { continue }
                kind = above.contains(where: logs.contains) ? .logs : .removed
            }
            bytes[kind, default: 0] += used
        }
        let entries = (usage.layers + usage.tasks + usage.volumes).reduce(0) { $0 + ($1.own ?? 0) }
        let billed = entries + bytes.values.reduce(0, +)
        let used = usage.dataUsed + usage.metadataUsed
        if used > billed { bytes[.system] = used - billed }
    }
}

extension Pool {
    /// Bytes that layers, tasks and volumes aren't billed for; nil where quotas are off.
    public func bills(beside usage: PoolUsage) throws -> PoolBills? { usage.quotas ? try PoolBills(self, usage) : nil }
}
