import CLinux
import Glibc
import Linux

/// One device of a file system; figures in bytes.
public struct Device: Sendable, Codable, Equatable {
    public let id: UInt64
    /// Empty for one that is missing.
    public let path: String
    public let size: UInt64
    /// What is allocated to block groups, full or not.
    public let allocated: UInt64
    /// Whether the file system was mounted without it, or lost it.
    public let isMissing: Bool
    /// Whether it has become smaller than its part of the file system: what lies behind its end can't be read.
    public let isCut: Bool
    public let errors: DeviceErrors

    public init(
        id: UInt64, path: String, size: UInt64, allocated: UInt64, isMissing: Bool, isCut: Bool, errors: DeviceErrors
    ) {
        (self.id, self.path, self.size, self.allocated) = (id, path, size, allocated)
        (self.isMissing, self.isCut, self.errors) = (isMissing, isCut, errors)
    }

    /// Whether something is wrong with it.
    public var isHealthy: Bool { !isMissing && !isCut && errors == DeviceErrors() }
}

/// What went wrong with a device since it became part of the file system, or since somebody reset this (`BTRFS_IOC_GET_DEV_STATS`).
public struct DeviceErrors: Sendable, Codable, Equatable {
    public var writes: UInt64 = 0
    public var reads: UInt64 = 0
    public var flushes: UInt64 = 0
    /// Content that didn't match its checksum.
    public var corruptions: UInt64 = 0
    /// Blocks that were of another transaction than they should be: writes that never arrived.
    public var generations: UInt64 = 0

    public init(
        writes: UInt64 = 0, reads: UInt64 = 0, flushes: UInt64 = 0, corruptions: UInt64 = 0, generations: UInt64 = 0
    ) {
        (self.writes, self.reads, self.flushes) = (writes, reads, flushes)
        (self.corruptions, self.generations) = (corruptions, generations)
    }
}

/// Why the kernel doesn't take a device away (`enum btrfs_err_code` in linux/btrfs.h).
public struct RemovalRefused: Error, Equatable {
    public let reason: CInt
}

extension Filesystem {
    /// The devices of the file system.
    public func devices() throws -> [Device] {
        var info = btrfs_ioctl_fs_info_args()
        try control(directory.number, DISH_BTRFS_FS_INFO, &info, "read file system information of", path)
        let last = info.max_id
        return try (0...last).compactMap { try device($0) }
    }

    /// Nil when there is none of that number.
    private func device(_ id: UInt64) throws -> Device? {
        // struct btrfs_ioctl_dev_info_args: number, UUID, bytes allocated at 24, bytes in all at 32, path at 3072.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        buffer.storeBytes(of: id, as: UInt64.self)
        while dish_ioctl(directory.number, DISH_BTRFS_DEV_INFO, buffer.baseAddress) != 0 {
            let code = errno
            if code == ENODEV { return nil }
            if code != EINTR { throw SystemError("read device \(id) of", path, code: code) }
        }
        let name = String(decoding: buffer[3072...].prefix { $0 != 0 }, as: UTF8.self)
        let size = buffer.load(fromByteOffset: 32, as: UInt64.self)
        let missing = try Files.readTextIfPresent("/sys/fs/btrfs/\(uuid)/devinfo/\(id)/missing")?.hasPrefix("1") ?? false
        let present = Self.size(ofBlockDevice: name)
        return Device(
            id: id, path: missing ? "" : name, size: size, allocated: buffer.load(fromByteOffset: 24, as: UInt64.self),
            isMissing: missing || present == nil, isCut: present.map { $0 < size } ?? false, errors: try deviceErrors(id))
    }

    /// - Parameter resets: whether they are counted from 0 again.
    public func deviceErrors(_ id: UInt64, resets: Bool = false) throws -> DeviceErrors {
        // struct btrfs_ioctl_get_dev_stats: device, how many counters, flags, then the counters.
        let size = 1032
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        buffer.storeBytes(of: id, as: UInt64.self)
        buffer.storeBytes(of: 5, toByteOffset: 8, as: UInt64.self)
        buffer.storeBytes(of: resets ? 1 : 0, toByteOffset: 16, as: UInt64.self)
        while dish_ioctl(directory.number, DISH_BTRFS_GET_DEV_STATS, buffer) != 0 {
            let code = errno
            if code == ENODEV { return DeviceErrors() }
            if code != EINTR { throw SystemError("read errors of device \(id) of", path, code: code) }
        }
        let counters = (0..<5).map { buffer.load(fromByteOffset: 24 + $0 * 8, as: UInt64.self) }
        return DeviceErrors(
            writes: counters[0], reads: counters[1], flushes: counters[2], corruptions: counters[3], generations: counters[4])
    }

    /// Takes a device away once all that is on it is on others. That takes as long as moving it.
    ///
    /// - Throws: `RemovalRefused`, `SystemError`.
    public func removeDevice(_ id: UInt64) throws {
        // struct btrfs_ioctl_vol_args_v2 with BTRFS_DEVICE_SPEC_BY_ID.
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
        buffer.storeBytes(of: 1 << 3, toByteOffset: 16, as: UInt64.self)
        buffer.storeBytes(of: id, toByteOffset: 56, as: UInt64.self)
        while true {
            // What the profiles don't allow isn't an error of the call: it returns its reason (`enum btrfs_err_code`).
            let result = dish_ioctl(directory.number, DISH_BTRFS_RM_DEV_V2, buffer)
            let code = errno
            if result == 0 { return }
            if result > 0 { throw RemovalRefused(reason: result) }
            if code != EINTR { throw SystemError("remove device \(id) of", path, code: code) }
        }
    }

    /// Makes a device's part of the file system as large as the device has become.
    public func growToDevice(_ id: UInt64) throws {
        // struct btrfs_ioctl_vol_args: a descriptor, then a command as text.
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
        for (index, byte) in "\(id):max".utf8.enumerated() {
            buffer.storeBytes(of: byte, toByteOffset: 8 + index, as: UInt8.self)
        }
        try control(directory.number, DISH_BTRFS_RESIZE, buffer, "grow device \(id) of", path)
    }

    /// How far the replacement of a device is, in thousandths; nil while none is under way.
    public func replacementProgress() throws -> UInt64? {
        let size = MemoryLayout<btrfs_ioctl_dev_replace_args>.size
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        buffer.storeBytes(of: 1, as: UInt64.self)
        try control(directory.number, DISH_BTRFS_DEV_REPLACE, buffer, "read the replacement's state of", path)
        // The status: a state, of which 1 is "started" and 4 "suspended", then thousandths.
        let state = buffer.load(fromByteOffset: 16, as: UInt64.self)
        return state == 1 || state == 4 ? buffer.load(fromByteOffset: 24, as: UInt64.self) : nil
    }

    /// Nil when there is no such device.
    private static func size(ofBlockDevice path: String) -> UInt64? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        let name = Files.name(of: String(cString: resolved))
        guard let text = try? Files.readTextIfPresent("/sys/class/block/\(name)/size") else { return nil }
        // In units of 512 bytes whatever the device's own.
        return UInt64(text.prefix(while: \.isNumber)).map { $0 * 512 }
    }
}
