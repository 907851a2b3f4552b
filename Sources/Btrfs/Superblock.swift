import Glibc
import Linux

/// The first superblock of a device, mounted or not (`struct btrfs_super_block` in linux/btrfs_tree.h).
public struct Superblock: Sendable, Equatable {
    /// A commit: its transaction and the place of its tree of trees.
    public struct Commit: Sendable, Equatable {
        public let generation: UInt64
        public let root: UInt64

        public init(generation: UInt64, root: UInt64) {
            (self.generation, self.root) = (generation, root)
        }
    }

    /// The UUID of the file system it is a part of, as `Filesystem` has it.
    public let filesystem: String
    /// Number of the device in the file system.
    public let device: UInt64
    /// Number of devices of the file system.
    public let deviceCount: UInt64
    /// The last commit that reached the device.
    public let last: Commit
    /// The last four commits, in no order; `last` is one of them.
    public let recent: [Commit]

    public init(filesystem: String, device: UInt64, deviceCount: UInt64, last: Commit, recent: [Commit]) {
        (self.filesystem, self.device, self.deviceCount) = (filesystem, device, deviceCount)
        (self.last, self.recent) = (last, recent)
    }

    /// Nil for a device that isn't there, can't be read, or is no part of a Btrfs file system.
    public init?(ofDevice path: String) {
        guard let device = try? OwnedFD.open(path, O_RDONLY | O_CLOEXEC) else { return nil }
        let number = device.number
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.count
        // 64 KiB from the beginning.
        guard (try? retryingInterrupts("read", path) { pread(number, &bytes, count, 65536) }) == count else { return nil }
        self.init(bytes)
    }

    /// - Parameter bytes: 4096 of them.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 4096, bytes[64..<72].elementsEqual("_BHRfS_M".utf8) else { return nil }
        func number(at offset: Int) -> UInt64 {
            bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
        }
        filesystem = bytes[32..<48].withUnsafeBytes { formatUUID($0.loadUnaligned(as: (UInt64, UInt64).self)) }
        last = Commit(generation: number(at: 72), root: number(at: 80))
        deviceCount = number(at: 136)
        // The number begins the device's own item.
        device = number(at: 201)
        // Four backups of 168 bytes each begin with a root and its transaction.
        recent = (0..<4).map { Commit(generation: number(at: 2859 + $0 * 168 + 8), root: number(at: 2859 + $0 * 168)) }
            .filter { $0.generation > 0 }
    }
}
