import SendStream
import Testing

/// The same numbers at each run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// A command and its data.
struct Recorded: Equatable {
    let command: StreamCommand
    var data: [UInt8] = []
}

extension SeededGenerator {
    mutating func bytes(_ counts: ClosedRange<Int>, zeros: Bool = true) -> [UInt8] {
        (0..<Int.random(in: counts, using: &self)).map { _ in UInt8.random(in: zeros ? 0...255 : 1...255, using: &self) }
    }

    mutating func path() -> [UInt8] { bytes(0...200, zeros: false) }

    mutating func uuid() -> SubvolumeUUID { SubvolumeUUID(bytes(16...16))! }

    mutating func number() -> UInt64 { Bool.random(using: &self) ? next() : next() >> 40 }

    mutating func time() -> StreamCommand.Time {
        .init(seconds: Int64(bitPattern: next()), nanoseconds: UInt32(truncatingIfNeeded: next()))
    }

    mutating func inode() -> UInt64? { Bool.random(using: &self) ? next() : nil }

    mutating func note() -> [UInt8]? { Bool.random(using: &self) ? bytes(0...3000) : nil }

    /// A command of any kind that a protocol has, but `end`.
    mutating func command(_ version: UInt32) -> Recorded {
        switch Int.random(in: 0..<(version == 1 ? 21 : version == 2 ? 24 : 25), using: &self) {
        case 0: Recorded(command: .subvolume(path: path(), uuid: uuid(), transaction: number(), note: note()))
        case 1:
            Recorded(
                command: .snapshot(
                    path: path(), uuid: uuid(), transaction: number(), source: uuid(), sourceTransaction: number(),
                    note: note()))
        case 2: Recorded(command: .makeFile(path: path(), inode: inode()))
        case 3: Recorded(command: .makeDirectory(path: path(), inode: inode()))
        case 4: Recorded(command: .makeNode(path: path(), inode: inode(), mode: number(), device: number()))
        case 5: Recorded(command: .makeFIFO(path: path(), inode: inode()))
        case 6: Recorded(command: .makeSocket(path: path(), inode: inode()))
        case 7: Recorded(command: .makeSymlink(path: path(), inode: inode(), target: path()))
        case 8: Recorded(command: .rename(path: path(), to: path()))
        case 9: Recorded(command: .link(path: path(), existing: path()))
        case 10: Recorded(command: .unlink(path: path()))
        case 11: Recorded(command: .removeDirectory(path: path()))
        case 12: Recorded(command: .setAttribute(path: path(), name: path(), value: bytes(0...2000)))
        case 13: Recorded(command: .removeAttribute(path: path(), name: path()))
        case 14:
            Recorded(
                command: .write(path: path(), offset: number()), data: bytes(0...(version == 1 ? 5000 : 100_000)))
        case 15:
            Recorded(
                command: .clone(
                    path: path(), offset: number(), length: number(), source: uuid(), sourceTransaction: number(),
                    sourcePath: path(), sourceOffset: number()))
        case 16: Recorded(command: .truncate(path: path(), size: number()))
        case 17: Recorded(command: .setMode(path: path(), mode: number()))
        case 18: Recorded(command: .setOwner(path: path(), user: number(), group: number()))
        case 19:
            Recorded(
                command: .setTimes(
                    path: path(), access: time(), modification: time(), change: time(),
                    birth: Bool.random(using: &self) ? time() : nil))
        case 20: Recorded(command: .updateExtent(path: path(), offset: number(), length: number()))
        case 21:
            Recorded(
                command: .fallocate(
                    path: path(), mode: UInt32(truncatingIfNeeded: next()), offset: number(), length: number()))
        case 22: Recorded(command: .setFlags(path: path(), flags: number()))
        case 23:
            Recorded(
                command: .encodedWrite(
                    path: path(),
                    .init(
                        offset: number(), fileLength: number(), length: number(), start: number(),
                        compression: UInt32.random(in: 0...7, using: &self), encryption: UInt32.random(in: 0...1, using: &self))
                ), data: bytes(0...50_000))
        default:
            Recorded(
                command: .enableVerity(
                    path: path(), algorithm: UInt8.random(in: 0...255, using: &self), blockSize: 4096, salt: bytes(0...32),
                    signature: bytes(0...1000)))
        }
    }
}

/// Gives its bytes in pieces of all sizes.
struct HesitantSource: ByteSource {
    private var left: ArraySlice<UInt8>
    private var random: SeededGenerator

    init(_ bytes: [UInt8], seed: UInt64) {
        left = bytes[...]
        random = SeededGenerator(seed)
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let most = [1, 7, 100, 5000, 1 << 20].randomElement(using: &random)!
        let count = min(most, buffer.count, left.count)
        buffer.copyBytes(from: left.prefix(count))
        left = left.dropFirst(count)
        return count
    }
}

/// The bytes of one stream, with its `end`.
func encode(_ commands: [Recorded], version: UInt32, ends: Bool = true) throws -> [UInt8] {
    var writer = StreamWriter(MemorySink(), version: version)
    try writer.begin()
    for recorded in commands { try recorded.data.withUnsafeBytes { try writer.write(recorded.command, data: $0) } }
    if ends { try writer.write(.end) }
    try writer.flush()
    #expect(writer.count == UInt64(writer.sink.bytes.count))
    return writer.sink.bytes
}

/// All commands in some bytes.
func decode(_ bytes: [UInt8]) throws -> [Recorded] {
    var found: [Recorded] = []
    try SendStream.forEachCommand(in: bytes.span.bytes) { command, data, _ in
        found.append(Recorded(command: command, data: data.withUnsafeBytes { Array($0) }))
    }
    return found
}
