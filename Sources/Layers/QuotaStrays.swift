import Btrfs
import Glibc
import Linux

/// Subvolumes that count for nobody.
///
/// What a task makes belongs to the quota groups of the subvolume that it lies in, unless whoever makes it names others: containers may
/// not, but those that an older agent started could.
extension Pool {
    /// Puts subvolumes inside tasks' roots and logs, and inside volumes, into the groups of these. What was written to them counts
    /// from then on.
    ///
    /// - Returns: how many there were.
    public func adoptStrays() throws -> Int {
        guard try hasQuotas() else { return 0 }
        let filesystem = try filesystem()
        var homes: [(path: String, group: QuotaGroup)] = []
        for task in try allTasks() {
            for group in task.groups { homes.append(("\(directory(ofTask: task.id))/rootfs", group)) }
            if task.quotaGroup != nil { homes.append((logs(ofTask: task.id), logQuotaGroup(ofTask: task.id))) }
        }
        for volume in try allVolumes() {
            if let number = volume.quotaGroup {
                homes.append((data(ofVolume: volume.name), QuotaGroup(level: 1, number: number)))
            }
        }
        var adopted = 0
        var failure: (any Error)?
        for (path, group) in homes {
            do {
                // One that is being removed, or an old agent's logs without a group, is none.
                guard let id = try? Subvolume.info(path).id, try filesystem.usage(of: group) != nil else { continue }
                try adopt(below: id, group, filesystem, &adopted)
            } catch {
                // The others count all the same.
                failure = error
            }
        }
        if adopted == 0, let failure { throw failure }
        return adopted
    }

    private func adopt(
        below top: UInt64, _ group: QuotaGroup, _ filesystem: borrowing Filesystem, _ adopted: inout Int
    ) throws {
        var waiting = [top]
        while let current = waiting.popLast() {
            for nested in try filesystem.nestedSubvolumes(in: current) {
                waiting.append(nested.id)
                let member = QuotaGroup.subvolume(nested.id)
                let groups = try filesystem.groups(of: member)
                if groups == [group] { continue }
                do {
                    for other in groups where other != group { try filesystem.remove(member, from: other) }
                    if !groups.contains(group) { try filesystem.add(member, to: group) }
                    adopted += 1
                } catch let error as SystemError where error.code == EINVAL || error.code == ENOENT {
                    // It is gone.
                }
            }
        }
    }
}
