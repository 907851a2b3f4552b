import Linux

/// Where in a stream a parser is. It is given bytes and says how many of them it has used; it keeps none.
struct StreamParser {
    /// Bytes used so far.
    private(set) var offset: UInt64 = 0
    /// The protocol of the current stream; nil between streams.
    private(set) var version: UInt32?
    /// Streams begun so far.
    private(set) var streams = 0

    enum Step<Result> {
        /// So many bytes are needed, or the end of the source.
        case more(Int)
        /// A command was passed on, or a header was read.
        case used(Int, Result?)
        /// The source ended where it may.
        case end
    }

    /// Parses the next header or command where it lies.
    ///
    /// - Parameter isWhole: whether the source has no more than these bytes.
    mutating func step<Result>(
        _ bytes: RawSpan, isWhole: Bool, _ body: (StreamCommand, RawSpan) throws -> Result
    ) throws -> Step<Result> {
        guard let version else { return try header(bytes, isWhole: isWhole) }
        guard bytes.byteCount >= StreamFormat.commandHeader else {
            return try more(StreamFormat.commandHeader, bytes, isWhole, "there is no 'end' command")
        }
        let length = Int(UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self)))
        let number = UInt16(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt16.self))
        let checksum = UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: 6, as: UInt32.self))
        guard length <= StreamFormat.longestCommand else {
            throw StreamError(.tooLong, at: offset, "a command of \(length) bytes is longer than any can be")
        }
        let total = StreamFormat.commandHeader + length
        guard bytes.byteCount >= total else { return try more(total, bytes, isWhole, "it ends in the middle of a command") }
        let content = bytes.extracting(StreamFormat.commandHeader..<total)
        let computed = content.withUnsafeBytes { CRC32C.command(length: UInt32(length), type: number, body: $0) }
        guard computed == checksum else {
            throw StreamError(.badChecksum, at: offset, "the command's checksum is wrong: the stream is damaged")
        }
        guard let type = StreamFormat.Command(rawValue: number), type.since <= version else {
            throw StreamError(.unknownCommand, at: offset, "protocol \(version) has no command \(number)")
        }
        let result: Result
        do {
            let decoded = try CommandDecoder(type, content, version: version).decode()
            result = try body(decoded.command, content.extracting(decoded.data))
        } catch let fault as CommandFault {
            throw StreamError(fault.code, at: offset, fault.reason)
        }
        if type == .end { self.version = nil }
        offset += UInt64(total)
        return .used(total, result)
    }

    private mutating func header<Result>(_ bytes: RawSpan, isWhole: Bool) throws -> Step<Result> {
        if bytes.byteCount == 0, isWhole, streams > 0 { return .end }
        let known = min(bytes.byteCount, StreamFormat.magic.count)
        for index in 0..<known
        where bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self) != StreamFormat.magic[index] {
            throw streams == 0
                ? StreamError(.notAStream, at: offset, "this is no Btrfs send stream")
                : StreamError(.trailingBytes, at: offset, "what follows the end of the stream is no other stream")
        }
        guard bytes.byteCount >= StreamFormat.streamHeader else {
            return try more(StreamFormat.streamHeader, bytes, isWhole, "it ends in the middle of a stream's header")
        }
        let given = UInt32(
            littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: StreamFormat.magic.count, as: UInt32.self))
        guard StreamFormat.versions.contains(given) else {
            throw StreamError(
                .unsupportedVersion, at: offset,
                "protocol \(given) isn't known; known are 1 to \(StreamFormat.versions.upperBound)")
        }
        version = given
        streams += 1
        offset += UInt64(StreamFormat.streamHeader)
        return .used(StreamFormat.streamHeader, nil)
    }

    private func more<Result>(_ count: Int, _ bytes: RawSpan, _ isWhole: Bool, _ reason: String) throws -> Step<Result> {
        if isWhole { throw StreamError(.truncated, at: offset, "the stream is cut short: \(reason)") }
        return .more(count)
    }
}

/// Reads the commands of the streams in a source, one after another, in constant memory: a command is parsed in the
/// buffer that it was read into.
public struct StreamReader<Source: ByteSource>: ~Copyable {
    private var source: Source
    private var parser = StreamParser()
    private let storage = ReadBuffer()
    private var buffer: UnsafeMutableRawBufferPointer { storage.bytes }
    private var filled = 0..<0
    private var hasEnded = false

    public init(_ source: Source) {
        self.source = source
    }

    /// Bytes parsed so far: where the next command begins.
    public var offset: UInt64 { parser.offset }
    /// The protocol of the stream that the last command was in.
    public var version: UInt32? { parser.version }
    /// How many streams have begun.
    public var streams: Int { parser.streams }

    /// Passes on the next command and its data, which are only there during the call.
    ///
    /// - Returns: what `body` returns; nil when the source ended after an `end`.
    /// - Throws: `StreamError`; what the source and `body` throw.
    public mutating func next<Result>(_ body: (StreamCommand, RawSpan) throws -> Result) throws -> Result? {
        while true {
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[filled])
            switch try parser.step(bytes.bytes, isWhole: hasEnded, body) {
            case .end: return nil
            case .used(let count, let result):
                filled = filled.lowerBound + count..<filled.upperBound
                if let result { return result }
            case .more(let count): try fill(count)
            }
        }
    }

    private mutating func fill(_ needed: Int) throws {
        if filled.isEmpty { filled = 0..<0 }
        if filled.lowerBound + needed > buffer.count {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[filled]))
            filled = 0..<filled.count
        }
        while filled.count < needed, !hasEnded {
            try Cancellation.check()
            let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled.upperBound...]))
            if count == 0 { hasEnded = true }
            filled = filled.lowerBound..<filled.upperBound + count
        }
    }
}

/// Room for the longest command and one more reading, so that little is moved.
private final class ReadBuffer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * StreamFormat.longestCommand, alignment: 4096)

    deinit { bytes.deallocate() }
}

/// Streams that are in memory.
public enum SendStream {
    /// Passes on each command of the streams in some bytes, parsed where they lie: nothing is copied but paths and names.
    ///
    /// - Parameter body: a command, its data, and where it begins.
    /// - Throws: `StreamError`, and what `body` throws.
    public static func forEachCommand(
        in bytes: RawSpan, _ body: (StreamCommand, RawSpan, UInt64) throws -> Void
    ) throws {
        var parser = StreamParser()
        var position = 0
        while true {
            let start = parser.offset
            switch try parser.step(bytes.extracting(position..<bytes.byteCount), isWhole: true, { try body($0, $1, start) }) {
            case .end, .more: return
            case .used(let count, _): position += count
            }
        }
    }
}
