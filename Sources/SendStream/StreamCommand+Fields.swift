extension StreamCommand {
    /// A value of a command, for people and for JSON.
    public enum Field: Sendable, Equatable {
        /// Bytes that usually are text.
        case text(Bytes)
        case number(UInt64)
        /// Seconds and nanoseconds since 1970.
        case time(Time)
        /// So many bytes of something that isn't text.
        case bytes(Int)
    }

    /// The command's values with the names that the kernel has for them.
    public var fields: [(name: String, value: Field)] {
        switch self {
        case .subvolume(let path, let uuid, let transaction, let note):
            [("path", .text(path)), ("uuid", Self.text(uuid)), ("ctransid", .number(transaction))] + Self.note(note)
        case .snapshot(let path, let uuid, let transaction, let source, let sourceTransaction, let note):
            [
                ("path", .text(path)), ("uuid", Self.text(uuid)), ("ctransid", .number(transaction)),
                ("clone_uuid", Self.text(source)), ("clone_ctransid", .number(sourceTransaction)),
            ] + Self.note(note)
        case .makeFile(let path, let inode), .makeDirectory(let path, let inode), .makeFIFO(let path, let inode),
            .makeSocket(let path, let inode):
            [("path", .text(path))] + Self.inode(inode)
        case .makeNode(let path, let inode, let mode, let device):
            [("path", .text(path)), ("mode", .number(mode)), ("rdev", .number(device))] + Self.inode(inode)
        case .makeSymlink(let path, let inode, let target):
            [("path", .text(path)), ("path_link", .text(target))] + Self.inode(inode)
        case .rename(let path, let to): [("path", .text(path)), ("path_to", .text(to))]
        case .link(let path, let existing): [("path", .text(path)), ("path_link", .text(existing))]
        case .unlink(let path), .removeDirectory(let path): [("path", .text(path))]
        case .setAttribute(let path, let name, let value):
            [("path", .text(path)), ("xattr_name", .text(name)), ("xattr_data", .text(value))]
        case .removeAttribute(let path, let name): [("path", .text(path)), ("xattr_name", .text(name))]
        case .write(let path, let offset): [("path", .text(path)), ("file_offset", .number(offset))]
        case .clone(let path, let offset, let length, let source, let transaction, let sourcePath, let sourceOffset):
            [
                ("path", .text(path)), ("file_offset", .number(offset)), ("clone_len", .number(length)),
                ("clone_uuid", Self.text(source)), ("clone_ctransid", .number(transaction)),
                ("clone_path", .text(sourcePath)), ("clone_offset", .number(sourceOffset)),
            ]
        case .truncate(let path, let size): [("path", .text(path)), ("size", .number(size))]
        case .setMode(let path, let mode): [("path", .text(path)), ("mode", .number(mode))]
        case .setOwner(let path, let user, let group):
            [("path", .text(path)), ("uid", .number(user)), ("gid", .number(group))]
        case .setTimes(let path, let access, let modification, let change, let birth):
            [
                ("path", .text(path)), ("atime", .time(access)), ("mtime", .time(modification)), ("ctime", .time(change)),
            ] + (birth.map { [("otime", .time($0))] } ?? [])
        case .end: []
        case .updateExtent(let path, let offset, let length):
            [("path", .text(path)), ("file_offset", .number(offset)), ("size", .number(length))]
        case .fallocate(let path, let mode, let offset, let length):
            [
                ("path", .text(path)), ("fallocate_mode", .number(UInt64(mode))), ("file_offset", .number(offset)),
                ("size", .number(length)),
            ]
        case .setFlags(let path, let flags): [("path", .text(path)), ("fileattr", .number(flags))]
        case .encodedWrite(let path, let extent):
            [
                ("path", .text(path)), ("file_offset", .number(extent.offset)),
                ("unencoded_file_len", .number(extent.fileLength)), ("unencoded_len", .number(extent.length)),
                ("unencoded_offset", .number(extent.start)), ("compression", .number(UInt64(extent.compression))),
                ("encryption", .number(UInt64(extent.encryption))),
            ]
        case .enableVerity(let path, let algorithm, let blockSize, let salt, let signature):
            [
                ("path", .text(path)), ("verity_algorithm", .number(UInt64(algorithm))),
                ("verity_block_size", .number(UInt64(blockSize))), ("verity_salt_data", .bytes(salt.count)),
                ("verity_sig_data", .bytes(signature.count)),
            ]
        }
    }

    private static func text(_ uuid: SubvolumeUUID) -> Field { .text(Array(uuid.description.utf8)) }

    private static func inode(_ inode: UInt64?) -> [(name: String, value: Field)] {
        inode.map { [("ino", .number($0))] } ?? []
    }

    private static func note(_ note: Bytes?) -> [(name: String, value: Field)] {
        note.map { [("note", .text($0))] } ?? []
    }
}
