import CLinux
import Glibc
public import Linux

/// Applies the commands of a stream to a tree that is nobody else's.
///
/// The tree is a new subvolume or a snapshot; making it, checking what came out and making it read-only is the caller's.
/// Every path is resolved in the tree alone (`ConfinedTree`). Only regular files are opened.
public final class TreeApplier {
    let tree: ConfinedTree
    let uuid: SubvolumeUUID
    private let decompresses: Bool
    private var sources: [SubvolumeUUID: CloneSource]
    private let witness: (any ContentWitness)?
    var file: CurrentFile?

    /// The file that commands were about last.
    struct CurrentFile {
        let path: [UInt8]
        let descriptor: CInt
        /// How many of its bytes the witness knows, from the first on; nil when it knows of none.
        var told: UInt64?
        /// Whether it was just made, and nothing but data came into it.
        var isPlain: Bool
    }

    /// What data may be cloned from.
    public final class CloneSource {
        let tree: ConfinedTree

        /// - Parameter root: a subvolume that doesn't change.
        public init(_ root: consuming OwnedFD) { tree = ConfinedTree(root) }

        /// Another one for the same subvolume, for another thread.
        func copy() throws -> CloneSource { CloneSource(try tree.root.duplicate()) }
    }

    /// - Parameters:
    ///   - root: the tree's root directory, open for reading.
    ///   - uuid: what the stream calls the tree.
    ///   - sources: other subvolumes that the stream may clone from.
    ///   - decompresses: whether compressed data is written decompressed even where the kernel would take it.
    ///   - witness: who is told what is written.
    public init(
        _ root: consuming OwnedFD, uuid: SubvolumeUUID, sources: [SubvolumeUUID: CloneSource], decompresses: Bool = false,
        witness: (any ContentWitness)? = nil
    ) throws {
        self.decompresses = decompresses
        self.witness = witness
        tree = ConfinedTree(root)
        self.uuid = uuid
        var sources = sources
        sources[uuid] = CloneSource(try tree.root.duplicate())
        self.sources = sources
    }

    deinit { closeFile() }

    /// Tells whether a subvolume can be cloned from.
    func knows(_ source: SubvolumeUUID) -> Bool { sources[source] != nil }

    /// Adds one more subvolume to clone from.
    func add(_ source: CloneSource, as uuid: SubvolumeUUID) { sources[uuid] = source }

    /// Applies one command.
    ///
    /// - Parameters:
    ///   - data: the bytes of a write.
    ///   - offset: where it is in the stream, for messages.
    /// - Throws: `StreamError` `.refused` and `.invalidValue` for what may not or can't be; `SystemError`.
    public func apply(_ command: StreamCommand, _ data: RawSpan, at offset: UInt64) throws {
        do {
            try data.withUnsafeBytes { try apply(command, $0) }
        } catch let fault as CommandFault {
            throw StreamError(fault.code, at: offset, "\(command.name): \(fault.reason)")
        }
    }

    /// The source of the tree may have files that nobody may change, as long as they have those flags. Flags are no part of a tree.
    private func apply(_ command: StreamCommand, _ data: UnsafeRawBufferPointer) throws {
        do {
            try applyOnce(command, data)
        } catch let error as SystemError where error.code == EPERM {
            closeFile()
            guard try removeProtection(command.changedPaths) else { throw error }
            try applyOnce(command, data)
        }
    }

    private func removeProtection(_ paths: [[UInt8]]) throws -> Bool {
        var hasAny = false
        for path in paths where try tree.removeProtection(path) { hasAny = true }
        return hasAny
    }

    private func applyOnce(_ command: StreamCommand, _ data: UnsafeRawBufferPointer) throws {
        switch command {
        case .subvolume, .snapshot: throw CommandFault(.refused, "a second subvolume in one stream")
        case .end: closeFile()
        case .makeFile(let path, _): begin(path, try create(path))
        case .makeDirectory(let path, _): try make(path, "create directory") { mkdirat($0, $1, 0o700) }
        case .makeNode(let path, _, let mode, let device): try makeNode(path, mode, device)
        case .makeFIFO(let path, _): try make(path, "create FIFO") { mkfifoat($0, $1, 0o600) }
        case .makeSocket(let path, _): try make(path, "create socket") { mknodat($0, $1, S_IFSOCK | 0o600, 0) }
        case .makeSymlink(let path, _, let target):
            try make(path, "create link") { at, name in withName(target[...]) { symlinkat($0, at, name) } }
        case .rename(let path, let to): try rename(path, to)
        case .link(let path, let existing): try link(path, existing)
        case .unlink(let path):
            closeFile()
            try make(path, "remove") { unlinkat($0, $1, 0) }
        case .removeDirectory(let path):
            tree.forget()
            try make(path, "remove directory") { unlinkat($0, $1, CInt(AT_REMOVEDIR)) }
        case .setAttribute(let path, let name, let value):
            file?.isPlain = false
            try withObjectPath(path, "set attribute of") { object, follow in
                withName(name[...]) { name in
                    value.withUnsafeBytes { dish_setxattr(object, name, $0.baseAddress, UInt($0.count), follow) }
                }
            }
        case .removeAttribute(let path, let name):
            try withObjectPath(path, "remove attribute of") { object, follow in
                withName(name[...]) { dish_removexattr(object, $0, follow) }
            }
        case .write(let path, let offset): try write(data, to: try open(path), path, offset)
        case .encodedWrite(let path, let extent): try encodedWrite(path, extent, data)
        case .clone(let path, let offset, let length, let source, _, let sourcePath, let sourceOffset):
            try clone(path, offset, length, source, sourcePath, sourceOffset)
        case .truncate(let path, let size):
            let (descriptor, offset) = (try open(path), try fileOffset(size))
            try retryingInterrupts("set size of", shown(path)) { ftruncate(descriptor, offset) }
            tell(UnsafeRawBufferPointer(start: nil, count: 0), at: size)
        case .fallocate(let path, let mode, let offset, let length):
            let descriptor = try open(path)
            file?.told = nil
            let (start, count) = (try fileOffset(offset), try fileOffset(length))
            try retryingInterrupts("allocate", shown(path)) {
                dish_fallocate(descriptor, CInt(bitPattern: mode), Int64(start), Int64(count))
            }
        case .setMode(let path, let mode): try setMode(path, mode_t(mode & 0o7777))
        case .setOwner(let path, let user, let group): try setOwner(path, user, group)
        case .setTimes(let path, let access, let modification, _, _): try setTimes(path, access, modification)
        case .updateExtent: throw CommandFault(.refused, "the stream was made without data; send it with its data")
        case .setFlags(let path, _):
            // Inode flags are no part of a tree, as they are none of what `btrfs receive` makes.
            _ = try StreamPath(path)
        case .enableVerity(let path, let algorithm, let blockSize, let salt, let signature):
            try enableVerity(path, algorithm, blockSize, salt, signature)
        }
    }

    // MARK: Files

    /// Makes a file and opens it.
    func create(_ path: [UInt8]) throws -> OwnedFD {
        closeFile()
        let split = try named(path)
        let at = try tree.directory(split.parent)
        func create() throws(SystemError) -> OwnedFD {
            // With the mode that most files have, few need another one.
            OwnedFD(
                adopting: try retryingInterrupts("create", shown(path)) {
                    withName(split.name) { dish_openat(at, $0, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644) }
                })
        }
        do {
            return try create()
        } catch  where error.code == EPERM {
            guard try removeProtection([path]) else { throw error }
            return try create()
        }
    }

    /// Takes a file that was just made as the one that commands are about.
    func begin(_ path: [UInt8], _ descriptor: consuming OwnedFD) {
        closeFile()
        file = CurrentFile(path: path, descriptor: descriptor.release(), told: 0, isPlain: true)
        witness?.begin()
    }

    /// The file at a path, open for reading and writing until commands are about another one.
    private func open(_ path: [UInt8]) throws -> CInt {
        if let file, file.path == path { return file.descriptor }
        closeFile()
        let descriptor = try tree.openFile(path, O_RDWR).release()
        file = CurrentFile(path: path, descriptor: descriptor, told: nil, isPlain: false)
        if let witness { witness.forget(inode: UInt64(try status(of: descriptor, path).st_ino)) }
        return descriptor
    }

    func status(of descriptor: CInt, _ path: [UInt8]) throws(SystemError) -> stat {
        var status = stat()
        try retryingInterrupts("stat", shown(path)) { fstat(descriptor, &status) }
        return status
    }

    /// Tells what now lies at an offset of the current file. What lies before it and wasn't told is a hole.
    private func tell(_ data: UnsafeRawBufferPointer, at offset: UInt64) {
        guard let witness, let told = file?.told else { return }
        guard offset >= told else {
            file?.told = nil
            return
        }
        if offset > told { witness.addZeros(offset - told) }
        witness.add(data)
        file?.told = offset + UInt64(data.count)
    }

    func closeFile() {
        guard let file else { return }
        self.file = nil
        if let witness, let told = file.told, let status = try? status(of: file.descriptor, file.path),
            UInt64(status.st_size) == told
        {
            witness.end(inode: UInt64(status.st_ino), size: told)
        }
        close(file.descriptor)
    }

    private func fileOffset(_ value: UInt64) throws(CommandFault) -> off_t {
        guard let offset = off_t(exactly: value) else {
            throw CommandFault(.invalidValue, "the offset or length \(value) is beyond what files can have")
        }
        return offset
    }

    private func write(_ data: UnsafeRawBufferPointer, to descriptor: CInt, _ path: [UInt8], _ offset: UInt64) throws {
        let start = try fileOffset(offset)
        guard start <= off_t.max - off_t(data.count) else {
            throw CommandFault(.invalidValue, "the write ends beyond what files can have")
        }
        var done = 0
        while done < data.count {
            done += try retryingInterrupts("write", shown(path)) {
                pwrite(descriptor, data.baseAddress! + done, data.count - done, start + off_t(done))
            }
        }
        tell(data, at: offset)
    }

    private func encodedWrite(
        _ path: [UInt8], _ extent: StreamCommand.EncodedExtent, _ data: UnsafeRawBufferPointer
    ) throws {
        try EncodedData.check(extent, data)
        let descriptor = try open(path)
        let offset = try fileOffset(extent.offset)
        if !decompresses, EncodedData.kernelTakes(extent) {
            let taken = dish_encoded_write(
                descriptor, data.baseAddress, UInt(data.count), Int64(offset), extent.fileLength, extent.length, extent.start,
                extent.compression, extent.encryption)
            let code = errno
            if taken >= 0 {
                file?.told = nil
                return
            }
            // Other kernels, block sizes and layouts: then the data is written decompressed.
            guard [ENOTTY, EOPNOTSUPP, EINVAL, EPERM].contains(code) else {
                throw SystemError("write compressed data to", shown(path), code: code)
            }
        }
        try EncodedData.withDecoded(extent, data) { try write($0, to: descriptor, path, extent.offset) }
    }

    private func clone(
        _ path: [UInt8], _ offset: UInt64, _ length: UInt64, _ uuid: SubvolumeUUID, _ sourcePath: [UInt8],
        _ sourceOffset: UInt64
    ) throws {
        guard let source = sources[uuid] else {
            throw CommandFault(.refused, "it wants data of the subvolume \(uuid), which is not what the stream is against")
        }
        guard length > 0 else { throw CommandFault(.invalidValue, "a clone of nothing") }
        let target = try open(path)
        file?.told = nil
        // The tree's own directories change; what else is cloned from doesn't.
        if uuid == self.uuid { source.tree.forget() }
        let from = try source.tree.openFile(sourcePath, O_RDONLY)
        try share(
            from, sourcePath, at: sourceOffset, to: target, path, at: offset, length,
            isSame: uuid == self.uuid && path == sourcePath)
    }

    /// Clones a range; copies it where the kernel shares no data between the two files: data without checksums (`chattr +C`) isn't
    /// shared with a file that has them, nor is that of a swap file.
    private func share(
        _ source: borrowing OwnedFD, _ sourcePath: [UInt8], at sourceOffset: UInt64, to target: CInt, _ path: [UInt8],
        at offset: UInt64, _ length: UInt64, isSame: Bool
    ) throws {
        let number = source.number
        var code: CInt = EINTR
        while code == EINTR {
            if dish_clone_range(target, offset, number, sourceOffset, length) == 0 { return }
            code = errno
        }
        guard Self.isRefusedClone(code), !isSame, let start = Int64(exactly: sourceOffset), let place = Int64(exactly: offset),
            let length = Int64(exactly: length)
        else { throw SystemError("clone '\(shown(sourcePath))' to", shown(path), code: code) }
        try FileData.copyRange(number, at: start, to: target, at: place, length: length, shown(path)) {
            try Cancellation.check()
        }
    }

    private static func isRefusedClone(_ code: CInt) -> Bool { [EINVAL, EXDEV, EOPNOTSUPP, ETXTBSY].contains(code) }

    private func enableVerity(
        _ path: [UInt8], _ algorithm: UInt8, _ blockSize: UInt32, _ salt: [UInt8], _ signature: [UInt8]
    ) throws {
        // The kernel wants nobody to have the file open for writing.
        closeFile()
        let descriptor = try tree.openFile(path, O_RDONLY)
        let number = descriptor.number
        try retryingInterrupts("enable verity of", shown(path)) {
            salt.withUnsafeBytes { salt in
                signature.withUnsafeBytes { signature in
                    dish_enable_verity(
                        number, UInt32(algorithm), blockSize, salt.baseAddress, UInt32(salt.count), signature.baseAddress,
                        UInt32(signature.count))
                }
            }
        }
    }

    // MARK: Names

    private func named(_ path: [UInt8]) throws(CommandFault) -> StreamPath {
        let split = try StreamPath(path)
        guard !split.name.isEmpty else { throw CommandFault(.refused, "it can't be done to the root of the tree") }
        return split
    }

    private func make(
        _ path: [UInt8], _ operation: String, _ body: (CInt, UnsafePointer<CChar>) -> CInt
    ) throws {
        let split = try named(path)
        let at = try tree.directory(split.parent)
        try retryingInterrupts(operation, shown(path)) { withName(split.name) { body(at, $0) } }
    }

    private func makeNode(_ path: [UInt8], _ mode: UInt64, _ device: UInt64) throws {
        let type = mode_t(truncatingIfNeeded: mode) & S_IFMT
        guard [S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].contains(type) else {
            throw CommandFault(.invalidValue, "the mode \(mode) is not that of a device")
        }
        let node = DeviceNode(streamMode: mode, device: device)
        if let node {
            // Without it something else would come out than the stream says.
            guard node.isHarmless else {
                throw CommandFault(
                    .refused,
                    "'\(shown(path))' is the \(node), and what comes from outside may have none but \(DeviceNode.harmlessNames); send one without it"
                )
            }
        }
        let number = node.map { dish_makedev($0.major, $0.minor) } ?? 0
        try make(path, "create device") { mknodat($0, $1, type, dev_t(number)) }
    }

    private func rename(_ path: [UInt8], _ to: [UInt8]) throws {
        let (from, target) = (try named(path), try named(to))
        closeFile()
        tree.forget()
        // The second lookup would close the first one's descriptor only if the cache were full.
        let (source, destination) = (try tree.directory(from.parent), try tree.directory(target.parent))
        try retryingInterrupts("rename '\(shown(path))' to", shown(to)) {
            withName(from.name) { old in withName(target.name) { renameat(source, old, destination, $0) } }
        }
        tree.forget()
    }

    private func link(_ path: [UInt8], _ existing: [UInt8]) throws {
        let (from, target) = (try named(existing), try named(path))
        tree.forget()
        let (source, destination) = (try tree.directory(from.parent), try tree.directory(target.parent))
        try retryingInterrupts("link '\(shown(existing))' to", shown(path)) {
            withName(from.name) { old in withName(target.name) { linkat(source, old, destination, $0, 0) } }
        }
    }
}
