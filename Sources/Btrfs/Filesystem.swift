import CLinux
import Glibc
import Linux

/// A mounted Btrfs file system, reached through any directory of it.
public struct Filesystem: ~Copyable, Sendable {
    let directory: OwnedFD
    /// The path it was opened by.
    public let path: String
    /// The file system's UUID, in the usual notation.
    public let uuid: String

    /// - Throws: `BtrfsError.notBtrfs` when the path lies on another file system: the numbers of
    ///   Btrfs ioctls mean other things to other drivers.
    public init(at path: String) throws {
        let directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        try requireBtrfs(directory.number, path)
        var info = btrfs_ioctl_fs_info_args()
        try control(directory.number, DISH_BTRFS_FS_INFO, &info, "read file system information of", path)
        uuid = formatUUID(info.fsid)
        self.path = path
        self.directory = directory
    }

    /// What the file system holds, in bytes.
    public func space() throws -> Space {
        var status = dish_statfs()
        let number = directory.number
        try retryingInterrupts("read usage of", path) { dish_fstatfs(number, &status) }
        var space = Space(
            total: status.blocks * status.block_size,
            available: status.available * status.block_size)
        for group in try allocations() {
            switch group.kind {
            case .data, .mixed: space.dataUsed += group.used
            case .metadata: space.metadataUsed += group.used
            case .system: break
            }
        }
        return space
    }

    /// Writes everything that is dirty to the devices and waits for it. Unlike syncfs(2) it then wakes the kernel's cleaner, which
    /// gives back the space of removed subvolumes.
    public func sync() throws {
        let number = directory.number
        try retryingInterrupts("sync", path) { dish_ioctl(number, DISH_BTRFS_SYNC, nil) }
    }

    /// Starts committing the current transaction without waiting. Deleted subvolumes are cleaned
    /// only after a commit, which an idle file system never makes.
    public func startCommit() throws {
        var transaction: UInt64 = 0
        try control(directory.number, DISH_BTRFS_START_SYNC, &transaction, "start a commit of", path)
    }

    /// Commits the current transaction, if there is one: what was changed in the file system's trees is on disk then. File
    /// content that was written and not synced isn't.
    public func commit() throws {
        var transaction: UInt64 = 0
        try control(directory.number, DISH_BTRFS_START_SYNC, &transaction, "start a commit of", path)
        try control(directory.number, DISH_BTRFS_WAIT_SYNC, &transaction, "wait for a commit of", path)
    }
}

/// How full a file system is; all figures in bytes.
public struct Space: Sendable, Equatable {
    /// Size of all devices.
    public var total: UInt64
    /// What can still be written, estimated by the kernel.
    public var available: UInt64
    /// File content.
    public var dataUsed: UInt64 = 0
    /// Trees: names, attributes, checksums, small files.
    public var metadataUsed: UInt64 = 0
}

/// A path that isn't what a Btrfs call needs.
public enum BtrfsError: Error, CustomStringConvertible, Equatable {
    case notBtrfs(String)
    case notSubvolume(String)

    public var description: String {
        switch self {
        case .notBtrfs(let path): "'\(path)' is not on a Btrfs file system"
        case .notSubvolume(let path): "'\(path)' is not a Btrfs subvolume"
        }
    }
}

func requireBtrfs(_ descriptor: CInt, _ path: String) throws {
    var status = dish_statfs()
    try retryingInterrupts("read file system type of", path) { dish_fstatfs(descriptor, &status) }
    guard status.type == DISH_BTRFS_SUPER_MAGIC else { throw BtrfsError.notBtrfs(path) }
}

func control(
    _ descriptor: CInt, _ request: UInt, _ argument: UnsafeMutableRawPointer, _ operation: String, _ object: String
) throws(SystemError) {
    try retryingInterrupts(operation, object) { dish_ioctl(descriptor, request, argument) }
}

func formatUUID<Bytes>(_ bytes: Bytes) -> String {
    withUnsafeBytes(of: bytes) { raw in
        String(unsafeUninitializedCapacity: 36) { text in
            var position = 0
            func append(_ byte: UInt8) {
                text[position] = byte
                position += 1
            }
            func append(digit: UInt8) { append(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)) }
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 { append(UInt8(ascii: "-")) }
                append(digit: raw[index] >> 4)
                append(digit: raw[index] & 15)
            }
            return position
        }
    }
}
