import CLinux
import Glibc
import Linux

/// A quota group's id: a level and a number, written `1/5`. Each subvolume has the level-0 group of its own id.
public struct QuotaGroup: Sendable, Hashable, CustomStringConvertible {
    public let level: UInt16
    public let number: UInt64

    /// - Parameter number: below 2^48.
    public init(level: UInt16, number: UInt64) {
        precondition(number < 1 << 48, "a quota group's number has 48 bits")
        self.level = level
        self.number = number
    }

    /// The group of one subvolume.
    public static func subvolume(_ id: UInt64) -> QuotaGroup { QuotaGroup(level: 0, number: id) }

    /// The level in the upper 16 bits, as the kernel has it.
    public var rawValue: UInt64 { UInt64(level) << 48 | number }

    public var description: String { "\(level)/\(number)" }
}

/// How the file system counts.
public enum QuotaMode: String, Sendable {
    case off
    /// Each extent is billed for life to the subvolume that wrote it first (kernel 6.7 and later).
    case simple
    /// Counts who shares what; turns inconsistent where there are many snapshots.
    case full
}

/// What a quota group counts and allows; in bytes.
public struct QuotaUsage: Sendable, Equatable {
    /// What the group's subvolumes wrote and somebody still holds.
    public let used: UInt64
    /// The most it may become; nil when it isn't limited.
    public let limit: UInt64?
}

extension Filesystem {
    /// The state of quotas, from sysfs.
    public func quotaMode() throws -> QuotaMode {
        switch try Files.readTextIfPresent("/sys/fs/btrfs/\(uuid)/qgroups/mode").map({ trim($0) }) {
        case nil: .off
        case "squota": .simple
        default: .full
        }
    }

    /// Turns simple quotas on; harmless when they are on.
    ///
    /// - Throws: `SystemError` with `EINVAL` on kernels before 6.7, which don't know them.
    public func enableSimpleQuotas() throws {
        if try quotaMode() == .simple { return }
        var arguments = btrfs_ioctl_quota_ctl_args()
        arguments.cmd = DISH_BTRFS_QUOTA_ENABLE_SIMPLE
        try control(directory.number, DISH_BTRFS_QUOTA_CTL, &arguments, "enable simple quotas on", path)
    }

    /// Makes a group above level 0; one that exists is left as it is.
    public func createQuotaGroup(_ group: QuotaGroup) throws {
        do {
            try createOrDestroy(group, create: 1, "create quota group \(group) on")
        } catch let error as SystemError where error.code == EEXIST {}
    }

    /// Removes a group; one that doesn't exist is no error.
    ///
    /// - Throws: `SystemError` with `EBUSY` while subvolumes belong to it or it still counts bytes.
    public func destroyQuotaGroup(_ group: QuotaGroup) throws {
        do {
            try createOrDestroy(group, create: 0, "destroy quota group \(group) on")
        } catch let error as SystemError where error.code == ENOENT {}
    }

    /// Puts a subvolume's group into a group above it: what it counts already counts there too.
    ///
    /// - Throws: `SystemError` with `EEXIST` when it belongs to it.
    public func add(_ member: QuotaGroup, to group: QuotaGroup) throws {
        var arguments = btrfs_ioctl_qgroup_assign_args()
        arguments.assign = 1
        arguments.src = member.rawValue
        arguments.dst = group.rawValue
        try control(
            directory.number, DISH_BTRFS_QGROUP_ASSIGN, &arguments, "put quota group \(member) into \(group) on", path)
    }

    /// Takes a subvolume's group out of a group above it; one that doesn't belong to it is no error.
    public func remove(_ member: QuotaGroup, from group: QuotaGroup) throws {
        var arguments = btrfs_ioctl_qgroup_assign_args()
        arguments.src = member.rawValue
        arguments.dst = group.rawValue
        do {
            try control(
                directory.number, DISH_BTRFS_QGROUP_ASSIGN, &arguments, "take quota group \(member) out of \(group) on", path)
        } catch {
            guard error.code == ENOENT else { throw error }
        }
    }

    /// Sets or, with nil, lifts the limit of a group.
    public func limit(_ group: QuotaGroup, to bytes: UInt64?) throws {
        var arguments = btrfs_ioctl_qgroup_limit_args()
        arguments.qgroupid = group.rawValue
        arguments.lim.flags = UInt64(BTRFS_QGROUP_LIMIT_MAX_RFER)
        arguments.lim.max_rfer = bytes ?? .max
        try control(
            directory.number, DISH_BTRFS_QGROUP_LIMIT, &arguments, "limit quota group \(group) on", path)
    }

    /// What a group uses now, or nil when there is no such group.
    public func usage(of group: QuotaGroup) throws -> QuotaUsage? {
        let base = "/sys/fs/btrfs/\(uuid)/qgroups/\(group.level)_\(group.number)"
        guard let used = try number("\(base)/referenced") else { return nil }
        let flags = try number("\(base)/limit_flags") ?? 0
        let most = try number("\(base)/max_referenced") ?? .max
        let limited = flags & UInt64(BTRFS_QGROUP_LIMIT_MAX_RFER) != 0 && most != .max && most != 0
        return QuotaUsage(used: used, limit: limited ? most : nil)
    }

    /// Bytes that a group counts now, or nil when there is no such group.
    public func used(by group: QuotaGroup) throws -> UInt64? {
        try number("/sys/fs/btrfs/\(uuid)/qgroups/\(group.level)_\(group.number)/referenced")
    }

    /// The groups that one is a member of.
    public func groups(of member: QuotaGroup) throws -> [QuotaGroup] {
        var groups: [QuotaGroup] = []
        let id = member.rawValue
        try searchTree(
            directory.number, path, tree: UInt64(BTRFS_QUOTA_TREE_OBJECTID), type: UInt32(BTRFS_QGROUP_RELATION_KEY),
            objects: id...id
        ) { _, group, _ in
            // Each relation is there in both directions.
            if group >> 48 > member.level {
                groups.append(QuotaGroup(level: UInt16(group >> 48), number: group & 0xffff_ffff_ffff))
            }
        }
        return groups
    }

    /// All groups there are.
    public func quotaGroups() throws -> [QuotaGroup] {
        let base = "/sys/fs/btrfs/\(uuid)/qgroups"
        guard Files.isDirectory(base) else { return [] }
        return try Files.list(base).compactMap { name in
            let parts = name.split(separator: "_")
            guard parts.count == 2, let level = UInt16(parts[0]), let number = UInt64(parts[1]), number < 1 << 48 else {
                return nil
            }
            return QuotaGroup(level: level, number: number)
        }
    }

    private func createOrDestroy(_ group: QuotaGroup, create: UInt64, _ operation: String) throws {
        var arguments = btrfs_ioctl_qgroup_create_args()
        arguments.create = create
        arguments.qgroupid = group.rawValue
        try control(directory.number, DISH_BTRFS_QGROUP_CREATE, &arguments, operation, path)
    }

    private func number(_ path: String) throws -> UInt64? {
        guard let text = try Files.readTextIfPresent(path).map({ trim($0) }) else { return nil }
        return text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }

    private func trim(_ text: String) -> String {
        String(text.prefix { !$0.isWhitespace })
    }
}
