import CSendStream

/// Writes streams: what `StreamReader` reads, byte for byte the same for the same commands.
public struct StreamWriter<Sink: ByteSink>: ~Copyable {
    public private(set) var sink: Sink
    /// Bytes written, those that wait in the buffer included.
    public private(set) var count: UInt64 = 0
    private let version: UInt32
    private var buffer: [UInt8] = []

    /// - Parameter version: the protocol, 1 to 3.
    public init(_ sink: Sink, version: UInt32) {
        precondition(StreamFormat.versions.contains(version))
        self.sink = sink
        self.version = version
        buffer.reserveCapacity(512 << 10)
    }

    /// The most bytes of data that one `write` can have.
    public var longestWrite: Int { version == 1 ? 48 << 10 : 128 << 10 }

    /// Begins a stream.
    public mutating func begin() throws {
        buffer += StreamFormat.magic
        append(version)
        count += UInt64(StreamFormat.streamHeader)
    }

    /// Appends a command.
    ///
    /// - Parameter data: the bytes of a `write` or `encodedWrite`.
    /// - Throws: `StreamError` `.invalidValue` for what the protocol can't say; what the sink throws.
    public mutating func write(
        _ command: StreamCommand, data: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) throws {
        let type = command.type
        guard type.since <= version else {
            throw StreamError(.invalidValue, at: count, "protocol \(version) has no '\(type.name)'")
        }
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: StreamFormat.commandHeader))
        do {
            try appendAttributes(of: command, data)
            let length = buffer.count - start - StreamFormat.commandHeader
            guard length <= StreamFormat.longestCommand else { throw tooLong("data") }
            store(UInt32(length), at: start)
            store(type.rawValue, at: start + 4)
            let checksum = buffer.withUnsafeBytes { dish_crc32c(0, $0.baseAddress! + start, $0.count - start) }
            store(checksum, at: start + 6)
            count += UInt64(buffer.count - start)
        } catch {
            buffer.removeSubrange(start...)
            throw error
        }
        if buffer.count >= 256 << 10 { try flush() }
    }

    /// Hands everything to the sink.
    public mutating func flush() throws {
        try buffer.withUnsafeBytes { try sink.write($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func store(_ value: some FixedWidthInteger & BitwiseCopyable, at offset: Int) {
        buffer.withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value)) }
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { buffer.append(contentsOf: $0) }
    }

    private func tooLong(_ attribute: String) -> StreamError {
        StreamError(.invalidValue, at: count, "the attribute '\(attribute)' is too long for protocol \(version)")
    }

    private mutating func append(_ attribute: StreamFormat.Attribute, _ value: some FixedWidthInteger) {
        append(attribute.rawValue)
        append(UInt16(MemoryLayout.size(ofValue: value)))
        append(value)
    }

    private mutating func append(_ attribute: StreamFormat.Attribute, _ bytes: [UInt8]) throws {
        guard bytes.count <= UInt16.max else { throw tooLong(attribute.name) }
        append(attribute.rawValue)
        append(UInt16(bytes.count))
        buffer += bytes
    }

    private mutating func append(_ attribute: StreamFormat.Attribute, _ time: StreamCommand.Time) {
        append(attribute.rawValue)
        append(UInt16(12))
        append(time.seconds)
        append(time.nanoseconds)
    }

    private mutating func appendInode(_ inode: UInt64?) {
        if let inode { append(.inode, inode) }
    }

    private mutating func appendNote(_ note: [UInt8]?) throws {
        guard let note else { return }
        try append(.attributeName, StreamNote.name)
        try append(.attributeValue, note)
    }

    private mutating func appendData(_ data: UnsafeRawBufferPointer) throws {
        append(StreamFormat.Attribute.data.rawValue)
        if version == 1 {
            guard data.count <= UInt16.max else { throw tooLong("data") }
            append(UInt16(data.count))
        }
        buffer.append(contentsOf: data)
    }

    private mutating func appendAttributes(of command: StreamCommand, _ data: UnsafeRawBufferPointer) throws {
        switch command {
        case .subvolume(let path, let uuid, let transaction, let note):
            try append(.path, path)
            try append(.uuid, uuid.bytes)
            append(.transaction, transaction)
            try appendNote(note)
        case .snapshot(let path, let uuid, let transaction, let source, let sourceTransaction, let note):
            try append(.path, path)
            try append(.uuid, uuid.bytes)
            append(.transaction, transaction)
            try append(.cloneUUID, source.bytes)
            append(.cloneTransaction, sourceTransaction)
            try appendNote(note)
        case .makeFile(let path, let inode), .makeDirectory(let path, let inode), .makeFIFO(let path, let inode),
            .makeSocket(let path, let inode):
            try append(.path, path)
            appendInode(inode)
        case .makeNode(let path, let inode, let mode, let device):
            try append(.path, path)
            appendInode(inode)
            append(.device, device)
            append(.mode, mode)
        case .makeSymlink(let path, let inode, let target):
            try append(.path, path)
            appendInode(inode)
            try append(.pathLink, target)
        case .rename(let path, let to):
            try append(.path, path)
            try append(.pathTo, to)
        case .link(let path, let existing):
            try append(.path, path)
            try append(.pathLink, existing)
        case .unlink(let path), .removeDirectory(let path): try append(.path, path)
        case .setAttribute(let path, let name, let value):
            try append(.path, path)
            try append(.attributeName, name)
            try append(.attributeValue, value)
        case .removeAttribute(let path, let name):
            try append(.path, path)
            try append(.attributeName, name)
        case .write(let path, let offset):
            try append(.path, path)
            append(.fileOffset, offset)
            try appendData(data)
        case .clone(let path, let offset, let length, let source, let transaction, let sourcePath, let sourceOffset):
            append(.fileOffset, offset)
            append(.cloneLength, length)
            try append(.path, path)
            try append(.cloneUUID, source.bytes)
            append(.cloneTransaction, transaction)
            try append(.clonePath, sourcePath)
            append(.cloneOffset, sourceOffset)
        case .truncate(let path, let size):
            try append(.path, path)
            append(.size, size)
        case .setMode(let path, let mode):
            try append(.path, path)
            append(.mode, mode)
        case .setOwner(let path, let user, let group):
            try append(.path, path)
            append(.user, user)
            append(.group, group)
        case .setTimes(let path, let access, let modification, let change, let birth):
            try append(.path, path)
            append(.accessTime, access)
            append(.modificationTime, modification)
            append(.changeTime, change)
            if let birth { append(.birthTime, birth) }
        case .end: break
        case .updateExtent(let path, let offset, let length):
            try append(.path, path)
            append(.fileOffset, offset)
            append(.size, length)
        case .fallocate(let path, let mode, let offset, let length):
            try append(.path, path)
            append(.fallocateMode, mode)
            append(.fileOffset, offset)
            append(.size, length)
        case .setFlags(let path, let flags):
            try append(.path, path)
            append(.flags, flags)
        case .encodedWrite(let path, let extent):
            try append(.path, path)
            append(.fileOffset, extent.offset)
            append(.unencodedFileLength, extent.fileLength)
            append(.unencodedLength, extent.length)
            append(.unencodedOffset, extent.start)
            if extent.compression != 0 { append(.compression, extent.compression) }
            if extent.encryption != 0 { append(.encryption, extent.encryption) }
            try appendData(data)
        case .enableVerity(let path, let algorithm, let blockSize, let salt, let signature):
            try append(.path, path)
            append(.verityAlgorithm, algorithm)
            append(.verityBlockSize, blockSize)
            try append(.veritySalt, salt)
            try append(.veritySignature, signature)
        }
    }
}
