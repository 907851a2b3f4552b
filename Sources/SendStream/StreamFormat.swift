/// The send-stream format of Btrfs on the wire: `fs/btrfs/send.h` of the kernel, protocols 1 to 3.
enum StreamFormat {
    /// With the zero byte at its end.
    static let magic = Array("btrfs-stream\0".utf8)
    /// The magic and a `u32` version.
    static let streamHeader = 17
    /// `u32` length of what follows, `u16` command, `u32` checksum.
    static let commandHeader = 10
    static let versions: ClosedRange<UInt32> = 1...3
    /// The most bytes a command may have after its header. The kernel makes 64 KiB in protocol 1 and 144 KiB later.
    static let longestCommand = 2 << 20
    /// The most bytes that an encoded write may stand for (`BTRFS_MAX_UNCOMPRESSED`).
    static let longestExtent: UInt64 = 128 << 10

    enum Command: UInt16, CaseIterable {
        case subvolume = 1
        case snapshot, makeFile, makeDirectory, makeNode, makeFIFO, makeSocket, makeSymlink
        case rename, link, unlink, removeDirectory, setAttribute, removeAttribute
        case write, clone, truncate, setMode, setOwner, setTimes, end, updateExtent
        case fallocate, setFlags, encodedWrite
        case enableVerity

        /// What the kernel and btrfs-progs call it.
        var name: String {
            switch self {
            case .subvolume: "subvol"
            case .snapshot: "snapshot"
            case .makeFile: "mkfile"
            case .makeDirectory: "mkdir"
            case .makeNode: "mknod"
            case .makeFIFO: "mkfifo"
            case .makeSocket: "mksock"
            case .makeSymlink: "symlink"
            case .rename: "rename"
            case .link: "link"
            case .unlink: "unlink"
            case .removeDirectory: "rmdir"
            case .setAttribute: "set_xattr"
            case .removeAttribute: "remove_xattr"
            case .write: "write"
            case .clone: "clone"
            case .truncate: "truncate"
            case .setMode: "chmod"
            case .setOwner: "chown"
            case .setTimes: "utimes"
            case .end: "end"
            case .updateExtent: "update_extent"
            case .fallocate: "fallocate"
            case .setFlags: "fileattr"
            case .encodedWrite: "encoded_write"
            case .enableVerity: "enable_verity"
            }
        }

        /// The first protocol that has it.
        var since: UInt32 {
            switch self {
            case .fallocate, .setFlags, .encodedWrite: 2
            case .enableVerity: 3
            default: 1
            }
        }
    }

    enum Attribute: UInt16 {
        case uuid = 1
        case transaction, inode, size, mode, user, group, device, changeTime, modificationTime, accessTime, birthTime
        case attributeName, attributeValue, path, pathTo, pathLink, fileOffset, data
        case cloneUUID, cloneTransaction, clonePath, cloneOffset, cloneLength
        case fallocateMode, flags, unencodedFileLength, unencodedLength, unencodedOffset, compression, encryption
        case verityAlgorithm, verityBlockSize, veritySalt, veritySignature

        static let count = 36

        /// What the kernel calls it, without its prefix.
        var name: String {
            [
                "uuid", "ctransid", "ino", "size", "mode", "uid", "gid", "rdev", "ctime", "mtime", "atime", "otime",
                "xattr_name", "xattr_data", "path", "path_to", "path_link", "file_offset", "data", "clone_uuid",
                "clone_ctransid", "clone_path", "clone_offset", "clone_len", "fallocate_mode", "fileattr",
                "unencoded_file_len", "unencoded_len", "unencoded_offset", "compression", "encryption",
                "verity_algorithm", "verity_block_size", "verity_salt_data", "verity_sig_data",
            ][Int(rawValue) - 1]
        }
    }
}
