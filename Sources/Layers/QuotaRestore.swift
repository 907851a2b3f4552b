import Btrfs
import Glibc
import Linux

/// Quotas that somebody has switched off, and limits that were lifted by hand.
extension Pool {
    /// Something with a quota group of its own.
    private struct Account {
        let name: String
        let group: QuotaGroup
        /// Bytes, or no limit; nil where it isn't known what was given.
        let limit: UInt64??
        /// Its subvolumes.
        let subvolumes: [String]
    }

    /// Switches quotas on again where something has a group, makes groups that are missing, and sets limits as they were given.
    ///
    /// The kernel bills what is written from then on: what was written while quotas were off counts for nobody.
    ///
    /// - Parameters:
    ///   - limits: the most bytes that tasks may write, by their ids. The groups of others keep the limits that they have.
    ///   - isDry: whether nothing is changed.
    /// - Returns: what was wrong, a sentence each.
    public func restoreQuotas(limits: [String: UInt64?] = [:], isDry: Bool = false) throws -> [String] {
        let accounts = try accounts(limits)
        if accounts.isEmpty { return [] }
        let filesystem = try filesystem()
        var found: [String] = []
        switch try filesystem.quotaMode() {
        case .simple: break
        case .off:
            found.append("quotas were switched off; what was written meanwhile and before counts for nobody")
            if isDry { return found }
            try filesystem.enableSimpleQuotas()
        case .full: return ["the pool has full quotas instead of simple ones; switch them off: btrfs quota disable \(path)"]
        }
        for account in accounts {
            // Skip accounts that are being made or removed at this moment.
            guard account.subvolumes.contains(where: { Subvolume.exists($0) }) else { continue }
            let usage = try filesystem.usage(of: account.group)
            if usage == nil {
                found.append("\(account.name) had no quota group")
                if isDry { continue }
                try filesystem.createQuotaGroup(account.group)
                for path in account.subvolumes {
                    guard let id = try? Subvolume.info(path).id else { continue }
                    do {
                        try filesystem.add(.subvolume(id), to: account.group)
                    } catch let error as SystemError where error.code == EEXIST || error.code == ENOENT {}
                }
            }
            guard let limit = account.limit, usage?.limit != limit else { continue }
            if usage != nil {
                found.append("the limit of \(account.name) was \(Self.shown(usage?.limit)) instead of \(Self.shown(limit))")
            }
            if !isDry { try filesystem.limit(account.group, to: limit) }
        }
        return found
    }

    private func accounts(_ limits: [String: UInt64?]) throws -> [Account] {
        var all: [Account] = []
        for task in try allTasks() {
            guard let group = task.groups.first else { continue }
            let directory = directory(ofTask: task.id)
            let snapshots = (try? Files.list("\(directory)/snapshots")) ?? []
            all.append(
                Account(
                    name: "the task '\(task.name)'", group: group, limit: limits[task.id],
                    subvolumes: ["\(directory)/rootfs"] + snapshots.map { "\(directory)/snapshots/\($0)/rootfs" }))
            all.append(
                Account(
                    name: "the logs of the task '\(task.name)'", group: logQuotaGroup(ofTask: task.id), limit: Self.logLimit,
                    subvolumes: [logs(ofTask: task.id)]))
        }
        for volume in try allVolumes() {
            guard let group = volume.groups.first else { continue }
            let snapshots = (try? Files.list("\(directory(ofVolume: volume.name))/snapshots")) ?? []
            all.append(
                Account(
                    name: "the volume '\(volume.name)'", group: group, limit: .some(volume.size),
                    subvolumes: [data(ofVolume: volume.name)] + snapshots.map { data(ofSnapshot: $0, of: volume.name) }))
        }
        return all
    }

    private static func shown(_ limit: UInt64?) -> String { limit.map { "\($0) bytes" } ?? "none" }
}
