import FoundationEssentials
import Linux
import SendStream

/// A subvolume as the stream of another program has it: `btrfs send`, or whoever keeps what that wrote.
public struct KernelSubvolume: Sendable, Codable, Equatable {
    let uuid: String
    let transaction: UInt64
    /// Paths of the device nodes that aren't in what was made of it.
    var leftOut: [Data]?

    init(_ head: StreamHead, leftOut: Set<[UInt8]>) {
        uuid = head.uuid.description
        transaction = head.transaction
        self.leftOut = leftOut.isEmpty ? nil : leftOut.map { Data($0) }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Tells whether it is what a stream is against. A sender that has received it itself knows it by another transaction.
    func isSource(of head: StreamHead, exactly: Bool) -> Bool {
        head.source?.description == uuid && (!exactly || head.sourceTransaction == transaction)
    }

    func isSame(as head: StreamHead) -> Bool { head.uuid.description == uuid && head.transaction == transaction }
}

/// Applies streams that say nothing of what comes out: nothing checks it afterwards, so all that is refused is refused on the way.
struct KernelStream {
    let head: StreamHead
    let budget: ReceiveBudget
    private var devices: DeviceFilter
    /// Bytes that compressed data stands for.
    private var decompressed: UInt64 = 0
    private var received: UInt64 = 0

    /// The bytes that compressed data may stand for, however short the stream is, and for each of its bytes: whoever checks it reads it.
    private static let freeBytes: UInt64 = 8 << 30
    private static let mostPerByte: UInt64 = 256

    /// - Parameter base: what it is against; nil for nothing.
    init(_ head: StreamHead, _ budget: ReceiveBudget, base: KernelSubvolume?) {
        self.head = head
        self.budget = budget
        devices = DeviceFilter(base?.leftOut ?? [])
    }

    /// Device nodes that came in it, or are in what it is against, and that are in no tree here.
    var leftOut: Set<[UInt8]> { devices.paths }

    /// Applies all that comes after the first command, to the stream's end.
    mutating func apply<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, to applier: StreamApplier, _ progress: ((UInt64) -> Void)?
    ) throws {
        var isDone = false
        while !isDone {
            let offset = reader.offset
            isDone =
                try reader.next { command, data in
                    try check(command, at: offset)
                    if try devices.passes(command, at: offset) { try applier.apply(command, data, at: offset) }
                    return command == .end
                } ?? true
            budget.receive(reader.offset - offset)
            received += reader.offset - offset
            progress?(reader.offset)
        }
    }

    private mutating func check(_ command: StreamCommand, at offset: UInt64) throws {
        guard case .encodedWrite(_, let extent) = command else { return }
        decompressed += min(extent.fileLength, 1 << 40)
        guard decompressed <= Self.freeBytes + received * Self.mostPerByte else {
            throw StreamError(
                .refused, at: offset, "its compressed data unpacks to far more than a stream of its length has in it")
        }
    }
}

/// Leaves device nodes that no tree here may have out of a stream, with all that it says of them.
private struct DeviceFilter {
    private(set) var paths: Set<[UInt8]>
    private static let most = 4096

    init(_ paths: [Data]) { self.paths = Set(paths.prefix(Self.most).map(Array.init)) }

    /// Tells whether a command is to be applied.
    mutating func passes(_ command: StreamCommand, at offset: UInt64) throws -> Bool {
        if case .makeNode(let path, _, let mode, let device) = command { return try !leaveOut(path, mode, device, offset) }
        if paths.isEmpty { return true }
        switch command {
        case .rename(let path, let to):
            if paths.remove(path) != nil {
                paths.insert(to)
                return false
            }
            // A directory takes them with it.
            let prefix = path + [UInt8(ascii: "/")]
            for inner in paths where inner.starts(with: prefix) {
                paths.remove(inner)
                paths.insert(to + inner.dropFirst(path.count))
            }
            return true
        case .link(let path, let existing):
            guard paths.contains(existing) else { return true }
            try insert(path, offset)
            return false
        case .unlink(let path): return paths.remove(path) == nil
        case .setMode(let path, _), .setOwner(let path, _, _), .setTimes(let path, _, _, _, _), .setAttribute(let path, _, _),
            .removeAttribute(let path, _), .setFlags(let path, _):
            return !paths.contains(path)
        default: return true
        }
    }

    private mutating func leaveOut(_ path: [UInt8], _ mode: UInt64, _ device: UInt64, _ offset: UInt64) throws -> Bool {
        guard let node = DeviceNode(streamMode: mode, device: device), !node.isHarmless else { return false }
        try insert(path, offset)
        return true
    }

    private mutating func insert(_ path: [UInt8], _ offset: UInt64) throws {
        paths.insert(path)
        guard paths.count <= Self.most else {
            throw StreamError(.refused, at: offset, "it has more than \(Self.most) device nodes")
        }
    }
}

extension LeftOutNodes {
    init(_ paths: some Sequence<[UInt8]>) {
        self.init()
        for path in paths.sorted(by: { $0.lexicographicallyPrecedes($1) }) { add(text(path)) }
    }
}
