import CLinux
import Glibc
import Linux

/// Subvolumes and snapshots: `BTRFS_IOC_SUBVOL_CREATE_V2`, `SNAP_CREATE_V2`, `SNAP_DESTROY_V2`.
public enum Subvolume {
    /// What the kernel knows of a subvolume (`BTRFS_IOC_GET_SUBVOL_INFO`).
    public struct Info: Sendable, Equatable {
        public let id: UInt64
        /// The id of the subvolume it lies in; 0 for one that is deleted or the top level.
        public let parentID: UInt64
        public let isReadOnly: Bool
        public let uuid: String
        /// UUID of what this is a snapshot of; nil when it is none.
        public let parentUUID: String?
        /// UUID of the subvolume this was received from; nil when it wasn't.
        public let receivedUUID: String?
        /// The transaction of the last change.
        public let generation: UInt64
        /// The transaction of the last change to what is in it: unlike `generation` it stays when a snapshot is made of it, or its
        /// blocks move.
        public let changed: UInt64
        /// The transaction that made it: what is in it from its source is older or of the same.
        public let creation: UInt64
        /// When that was, in seconds since 1970.
        public let created: Int64
    }

    /// Makes an empty subvolume.
    ///
    /// - Parameters:
    ///   - groups: the quota groups above level 0 that it belongs to from its first byte.
    ///   - limit: the most bytes that its own group, of level 0, may count; nil for no limit.
    public static func create(_ path: String, in groups: [QuotaGroup] = [], limit: UInt64? = nil) throws {
        try make(path, source: nil, flags: 0, groups, limit: limit, DISH_BTRFS_SUBVOL_CREATE_V2, "create subvolume")
    }

    /// Makes a snapshot: a subvolume that shares everything with its source until one is written to.
    public static func snapshot(
        _ source: String, to path: String, readOnly: Bool = false, in groups: [QuotaGroup] = []
    ) throws {
        let subvolume = try open(source)
        let flags = readOnly ? UInt64(BTRFS_SUBVOL_RDONLY) : 0
        try make(
            path, source: subvolume.number, flags: flags, groups, DISH_BTRFS_SNAP_CREATE_V2,
            "snapshot '\(source)' to")
    }

    /// Removes a subvolume's name; its space comes back some commits later.
    ///
    /// - Throws: `SystemError` with `ENOTEMPTY` when another subvolume lies in it.
    public static func delete(_ path: String) throws {
        _ = try open(path)
        let directory = try parent(of: path)
        let number = directory.number
        try withVolumeArguments(name: Array(Files.name(of: path).utf8)) { arguments throws(SystemError) in
            try control(number, DISH_BTRFS_SNAP_DESTROY_V2, arguments, "delete subvolume", path)
        }
    }

    /// Removes a subvolume and those nested in it, innermost first, whatever their depth, names and flags. One that is gone is no
    /// error.
    public static func deleteRecursively(_ path: String) throws {
        guard Files.exists(path) else { return }
        do {
            return try delete(path)
        } catch let error as SystemError where error.code == ENOTEMPTY {
        } catch let error as SystemError where error.code == EPERM {
            // One that is being sent, or is the default one, stays with all that is in it.
            guard try removeProtection(of: path) else { throw error }
            do {
                return try delete(path)
            } catch let error as SystemError where error.code == ENOTEMPTY {}
        }
        for attempt in 1...100 {
            let id = try info(path).id
            // Names are taken out of it; it goes itself in a moment.
            try setFlags(of: path, "open for writing") { $0 & ~UInt64(BTRFS_SUBVOL_RDONLY) }
            _ = try removeProtection(of: path)
            var removal = try SubvolumeRemoval(at: path)
            try removal.removeNested(in: id)
            do {
                return try delete(path)
            } catch let error as SystemError where error.code == ENOTEMPTY && attempt < 100 {}
        }
    }

    /// Takes what `chattr` has set on a subvolume and its directory away.
    ///
    /// - Returns: whether there was anything.
    private static func removeProtection(of path: String) throws -> Bool {
        let directory = try parent(of: path)
        let subvolume = try open(path)
        let hadDirectory = try directory.removeProtection()
        guard subvolume.isProtected() else { return hadDirectory }
        try setFlags(of: path, "open for writing") { $0 & ~UInt64(BTRFS_SUBVOL_RDONLY) }
        try subvolume.removeProtection()
        return true
    }

    /// Removes a subvolume that lies in another one, and those nested in it.
    ///
    /// - Parameters:
    ///   - parent: the id of the one it lies in.
    ///   - path: any directory of the file system.
    public static func delete(_ nested: NestedSubvolume, in parent: UInt64, at path: String) throws {
        var removal = try SubvolumeRemoval(at: path)
        try removal.remove(nested, in: parent)
    }

    /// Removes the name of a subvolume from a directory.
    static func destroy(_ name: FileName, in directory: borrowing OwnedFD) throws(SystemError) {
        let number = directory.number
        try withVolumeArguments(name: name) { arguments throws(SystemError) in
            try control(number, DISH_BTRFS_SNAP_DESTROY_V2, arguments, "delete subvolume", shownName(name))
        }
    }

    /// Closes a subvolume to writing, for good: a published one is never opened again, because that
    /// breaks what was received from it. To change it, snapshot it.
    public static func makeReadOnly(_ path: String) throws {
        try setFlags(of: path, "set read-only") { $0 | UInt64(BTRFS_SUBVOL_RDONLY) }
    }

    /// Opens one to writing again that nobody has seen yet.
    public static func makeWritable(_ path: String) throws {
        try setFlags(of: path, "open for writing") { $0 & ~UInt64(BTRFS_SUBVOL_RDONLY) }
    }

    private static func setFlags(of path: String, _ operation: String, _ change: (UInt64) -> UInt64) throws {
        let subvolume = try open(path)
        var flags: UInt64 = 0
        try control(subvolume.number, DISH_BTRFS_SUBVOL_GETFLAGS, &flags, "read flags of", path)
        flags = change(flags)
        try control(subvolume.number, DISH_BTRFS_SUBVOL_SETFLAGS, &flags, operation, path)
    }

    public static func info(_ path: String) throws -> Info {
        let subvolume = try open(path)
        var info = btrfs_ioctl_get_subvol_info_args()
        try control(subvolume.number, DISH_BTRFS_GET_SUBVOL_INFO, &info, "read subvolume", path)
        let none = "00000000-0000-0000-0000-000000000000"
        let parentUUID = formatUUID(info.parent_uuid)
        let receivedUUID = formatUUID(info.received_uuid)
        return Info(
            id: info.treeid, parentID: info.parent_id, isReadOnly: info.flags & 1 != 0,
            uuid: formatUUID(info.uuid), parentUUID: parentUUID == none ? nil : parentUUID,
            receivedUUID: receivedUUID == none ? nil : receivedUUID, generation: info.generation,
            changed: info.ctransid, creation: info.otransid, created: Int64(info.otime.sec))
    }

    /// Whether the path is the root of a subvolume: on Btrfs that is inode 256.
    public static func exists(_ path: String) -> Bool {
        (try? open(path)) != nil
    }

    private static func open(_ path: String) throws -> OwnedFD {
        let descriptor = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try requireBtrfs(descriptor.number, path)
        var status = stat()
        let number = descriptor.number
        try retryingInterrupts("stat", path) { fstat(number, &status) }
        guard status.st_ino == UInt64(BTRFS_FIRST_FREE_OBJECTID) else { throw BtrfsError.notSubvolume(path) }
        return descriptor
    }

    private static func parent(of path: String) throws -> OwnedFD {
        let directory = Files.parent(of: path)
        let descriptor = try OwnedFD.open(directory, O_RDONLY | O_DIRECTORY)
        try requireBtrfs(descriptor.number, directory)
        return descriptor
    }

    private static func make(
        _ path: String, source: CInt?, flags: UInt64, _ groups: [QuotaGroup], limit: UInt64? = nil, _ request: UInt,
        _ operation: String
    ) throws {
        let directory = try parent(of: path)
        let number = directory.number
        try withVolumeArguments(name: Array(Files.name(of: path).utf8)) { arguments throws(SystemError) in
            arguments.storeBytes(of: Int64(source ?? 0), toByteOffset: VolumeArguments.descriptor, as: Int64.self)
            arguments.storeBytes(of: flags, toByteOffset: VolumeArguments.flags, as: UInt64.self)
            guard !groups.isEmpty || limit != nil else {
                return try control(number, request, arguments, operation, path)
            }
            // struct btrfs_qgroup_inherit: flags, counts and limits, then the group ids.
            let header = MemoryLayout<btrfs_qgroup_inherit>.size
            let length = header + groups.count * 8
            let inherit = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 8)
            defer { inherit.deallocate() }
            inherit.initializeMemory(as: UInt8.self, repeating: 0, count: length)
            inherit.storeBytes(of: UInt64(groups.count), toByteOffset: 8, as: UInt64.self)
            if let limit {
                inherit.storeBytes(of: UInt64(BTRFS_QGROUP_INHERIT_SET_LIMITS), as: UInt64.self)
                inherit.storeBytes(of: UInt64(BTRFS_QGROUP_LIMIT_MAX_RFER), toByteOffset: 32, as: UInt64.self)
                inherit.storeBytes(of: limit, toByteOffset: 40, as: UInt64.self)
            }
            for (index, group) in groups.enumerated() {
                inherit.storeBytes(of: group.rawValue, toByteOffset: header + index * 8, as: UInt64.self)
            }
            arguments.storeBytes(
                of: flags | UInt64(BTRFS_SUBVOL_QGROUP_INHERIT), toByteOffset: VolumeArguments.flags, as: UInt64.self)
            arguments.storeBytes(of: UInt64(length), toByteOffset: VolumeArguments.inheritSize, as: UInt64.self)
            arguments.storeBytes(of: inherit, toByteOffset: VolumeArguments.inherit, as: UnsafeMutableRawPointer.self)
            try control(number, request, arguments, operation, path)
        }
    }

    /// Offsets in `struct btrfs_ioctl_vol_args_v2`, whose unions Swift doesn't import.
    private enum VolumeArguments {
        static let descriptor = 0
        static let flags = 16
        static let inheritSize = 24
        static let inherit = 32
        static let name = 56
        static let nameCapacity = 4040
        static let size = 4096
    }

    private static func withVolumeArguments(
        name: FileName, _ body: (UnsafeMutableRawPointer) throws(SystemError) -> Void
    ) throws(SystemError) {
        guard name.count < 256, !name.isEmpty else { throw SystemError("name subvolume", shownName(name), code: ENAMETOOLONG) }
        let arguments = UnsafeMutableRawPointer.allocate(byteCount: VolumeArguments.size, alignment: 8)
        defer { arguments.deallocate() }
        arguments.initializeMemory(as: UInt8.self, repeating: 0, count: VolumeArguments.size)
        for (index, byte) in name.enumerated() {
            arguments.storeBytes(of: byte, toByteOffset: VolumeArguments.name + index, as: UInt8.self)
        }
        try body(arguments)
    }
}
