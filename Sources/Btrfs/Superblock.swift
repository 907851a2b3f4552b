import Glibc
import Linux

/// What a device says of itself, mounted or not: its first superblock (`struct btrfs_super_block`).
public struct Superblock: Sendable, Equatable {
    /// The UUID of the file system it is a part of, as `Filesystem` has it.
    public let filesystem: String

    /// Nil for a device that isn't there, can't be read, or is no part of a Btrfs file system.
    public init?(ofDevice path: String) {
        // 64 KiB from its beginning: a checksum, the file system's UUID at 32, the magic at 64.
        guard let device = try? OwnedFD.open(path, O_RDONLY) else { return nil }
        let number = device.number
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.count
        guard (try? retryingInterrupts("read", path) { pread(number, &bytes, count, 65536) }) == count,
            bytes[64..<72].elementsEqual("_BHRfS_M".utf8)
        else { return nil }
        filesystem = bytes[32..<48].withUnsafeBytes { formatUUID($0.loadUnaligned(as: (UInt64, UInt64).self)) }
    }
}
