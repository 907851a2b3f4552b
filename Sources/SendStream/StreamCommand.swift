/// One command of a send stream. Paths are bytes, relative to the subvolume; the empty one is its root.
///
/// The bytes of `write` and `encodedWrite` aren't part of it: readers and writers pass them beside it.
public enum StreamCommand: Sendable, Equatable {
    public typealias Bytes = [UInt8]

    /// A subvolume from nothing.
    ///
    /// - `note`: what Butterdish adds about the layer (docs/send-stream.md); others ignore it.
    case subvolume(path: Bytes, uuid: SubvolumeUUID, transaction: UInt64, note: Bytes?)
    /// A snapshot of another subvolume.
    case snapshot(
        path: Bytes, uuid: SubvolumeUUID, transaction: UInt64, source: SubvolumeUUID, sourceTransaction: UInt64,
        note: Bytes?)
    case makeFile(path: Bytes, inode: UInt64?)
    case makeDirectory(path: Bytes, inode: UInt64?)
    /// A device; `mode` has its type, `device` is in the kernel's encoding.
    case makeNode(path: Bytes, inode: UInt64?, mode: UInt64, device: UInt64)
    case makeFIFO(path: Bytes, inode: UInt64?)
    case makeSocket(path: Bytes, inode: UInt64?)
    case makeSymlink(path: Bytes, inode: UInt64?, target: Bytes)
    case rename(path: Bytes, to: Bytes)
    /// A further name, `path`, for what is at `existing`.
    case link(path: Bytes, existing: Bytes)
    case unlink(path: Bytes)
    case removeDirectory(path: Bytes)
    case setAttribute(path: Bytes, name: Bytes, value: Bytes)
    case removeAttribute(path: Bytes, name: Bytes)
    case write(path: Bytes, offset: UInt64)
    case clone(
        path: Bytes, offset: UInt64, length: UInt64, source: SubvolumeUUID, sourceTransaction: UInt64,
        sourcePath: Bytes, sourceOffset: UInt64)
    case truncate(path: Bytes, size: UInt64)
    case setMode(path: Bytes, mode: UInt64)
    case setOwner(path: Bytes, user: UInt64, group: UInt64)
    case setTimes(path: Bytes, access: Time, modification: Time, change: Time, birth: Time?)
    case end
    /// Instead of data, in streams that have none.
    case updateExtent(path: Bytes, offset: UInt64, length: UInt64)
    case fallocate(path: Bytes, mode: UInt32, offset: UInt64, length: UInt64)
    /// Inode flags, as the kernel has them.
    case setFlags(path: Bytes, flags: UInt64)
    case encodedWrite(path: Bytes, EncodedExtent)
    case enableVerity(path: Bytes, algorithm: UInt8, blockSize: UInt32, salt: Bytes, signature: Bytes)

    /// Since 1970.
    public struct Time: Sendable, Equatable {
        public var seconds: Int64
        public var nanoseconds: UInt32

        public init(seconds: Int64, nanoseconds: UInt32) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }
    }

    /// What compressed bytes stand for: `struct btrfs_ioctl_encoded_io_args` of linux/btrfs.h.
    public struct EncodedExtent: Sendable, Equatable {
        /// Where in the file, in bytes.
        public var offset: UInt64
        /// Bytes of the file that it stands for.
        public var fileLength: UInt64
        /// Bytes that decompressing gives.
        public var length: UInt64
        /// Where in these the file's bytes begin.
        public var start: UInt64
        /// `BTRFS_ENCODED_IO_COMPRESSION_…`.
        public var compression: UInt32
        /// `BTRFS_ENCODED_IO_ENCRYPTION_…`.
        public var encryption: UInt32

        public init(
            offset: UInt64, fileLength: UInt64, length: UInt64, start: UInt64, compression: UInt32, encryption: UInt32
        ) {
            self.offset = offset
            self.fileLength = fileLength
            self.length = length
            self.start = start
            self.compression = compression
            self.encryption = encryption
        }
    }
}

extension StreamCommand {
    var type: StreamFormat.Command {
        switch self {
        case .subvolume: .subvolume
        case .snapshot: .snapshot
        case .makeFile: .makeFile
        case .makeDirectory: .makeDirectory
        case .makeNode: .makeNode
        case .makeFIFO: .makeFIFO
        case .makeSocket: .makeSocket
        case .makeSymlink: .makeSymlink
        case .rename: .rename
        case .link: .link
        case .unlink: .unlink
        case .removeDirectory: .removeDirectory
        case .setAttribute: .setAttribute
        case .removeAttribute: .removeAttribute
        case .write: .write
        case .clone: .clone
        case .truncate: .truncate
        case .setMode: .setMode
        case .setOwner: .setOwner
        case .setTimes: .setTimes
        case .end: .end
        case .updateExtent: .updateExtent
        case .fallocate: .fallocate
        case .setFlags: .setFlags
        case .encodedWrite: .encodedWrite
        case .enableVerity: .enableVerity
        }
    }

    /// What the kernel and btrfs-progs call the command: `mkfile`, `set_xattr`.
    public var name: String { type.name }
}
