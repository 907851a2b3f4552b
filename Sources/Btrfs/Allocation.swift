import CLinux
import Glibc
import Linux

/// What is set aside for one kind of content with one kind of redundancy; in bytes, each copy of which there are several counted once.
public struct Allocation: Sendable, Codable, Equatable {
    public enum Kind: String, Sendable, Codable {
        case data, metadata, system
        /// Data and metadata in the same block groups, as on very small file systems.
        case mixed
    }

    public let kind: Kind
    public let profile: Profile
    public let size: UInt64
    public let used: UInt64
}

/// How content is spread over devices (`BTRFS_BLOCK_GROUP_…`).
public enum Profile: String, Sendable, Codable, CaseIterable {
    case single, dup, raid0, raid1, raid1c3, raid1c4, raid10, raid5, raid6

    /// As block groups have it; nothing for `single`.
    var flags: UInt64 {
        switch self {
        case .single: 0
        case .raid0: 1 << 3
        case .raid1: 1 << 4
        case .dup: 1 << 5
        case .raid10: 1 << 6
        case .raid5: 1 << 7
        case .raid6: 1 << 8
        case .raid1c3: 1 << 9
        case .raid1c4: 1 << 10
        }
    }

    init(flags: UInt64) {
        self = Self.allCases.first { $0 != .single && flags & $0.flags != 0 } ?? .single
    }

    /// How many devices may fail before content is lost.
    public var tolerance: Int {
        switch self {
        case .single, .dup, .raid0: 0
        case .raid1, .raid10, .raid5: 1
        case .raid1c3, .raid6: 2
        case .raid1c4: 3
        }
    }

    /// The fewest devices that it needs.
    public var leastDevices: Int {
        switch self {
        case .single, .dup, .raid0: 1
        case .raid1, .raid10, .raid5: 2
        case .raid1c3, .raid6: 3
        case .raid1c4: 4
        }
    }
}

extension Filesystem {
    /// What is allocated (`BTRFS_IOC_SPACE_INFO`). While content is being converted there are two profiles of a kind.
    public func allocations() throws -> [Allocation] {
        let number = directory.number
        // Asked for no slots, the ioctl tells how many there are.
        let header = MemoryLayout<btrfs_ioctl_space_args>.size
        let slot = MemoryLayout<btrfs_ioctl_space_info>.size
        let headerBuffer = UnsafeMutableRawPointer.allocate(byteCount: header, alignment: 8)
        defer { headerBuffer.deallocate() }
        headerBuffer.initializeMemory(as: UInt8.self, repeating: 0, count: header)
        try control(number, DISH_BTRFS_SPACE_INFO, headerBuffer, "read usage of", path)
        let count = headerBuffer.load(fromByteOffset: 8, as: UInt64.self)
        let length = header + Int(count) * slot
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: length)
        buffer.storeBytes(of: count, as: UInt64.self)
        try control(number, DISH_BTRFS_SPACE_INFO, buffer, "read usage of", path)
        let filled = min(count, buffer.load(fromByteOffset: 8, as: UInt64.self))
        return (0..<Int(filled)).compactMap { index in
            let entry = buffer.load(fromByteOffset: header + index * slot, as: btrfs_ioctl_space_info.self)
            let types = entry.flags & 7
            let kind: Allocation.Kind
            switch types {
            case UInt64(BTRFS_BLOCK_GROUP_DATA): kind = .data
            case UInt64(BTRFS_BLOCK_GROUP_METADATA): kind = .metadata
            case UInt64(BTRFS_BLOCK_GROUP_SYSTEM): kind = .system
            case UInt64(BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_METADATA): kind = .mixed
            // The reserve for the worst case, which is part of metadata.
            default: return nil
            }
            return Allocation(
                kind: kind, profile: Profile(flags: entry.flags), size: entry.total_bytes, used: entry.used_bytes)
        }
    }
}
