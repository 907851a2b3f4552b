import Glibc
import Linux

/// A device of a file system that isn't mounted: its superblock, and single blocks of the trees as they lie on it.
///
/// All that it has is taken for hostile: reads are bounded, and what makes no sense is nothing.
public struct UnmountedDevice: Sendable {
    /// A block of a tree, by its header (`struct btrfs_header`).
    public struct Block: Sendable, Equatable {
        public let generation: UInt64
        /// Over the rest of the block.
        public let checksum: [UInt8]

        public init(generation: UInt64, checksum: [UInt8]) {
            (self.generation, self.checksum) = (generation, checksum)
        }
    }

    /// A range of logical addresses that has a copy on this device.
    private struct Chunk {
        let logical: UInt64
        let length: UInt64
        let physical: UInt64
    }

    private static let headerSize = 101
    /// Blocks of the chunk tree that are read at most: some 10,000 chunks.
    private static let blockLimit = 256

    public let superblock: Superblock
    /// The root of the tree of trees, as it is on this device; nil where it isn't, as with `raid0`.
    public let root: Block?
    private let path: String
    private let blockSize: Int
    private let chunks: [Chunk]

    /// Nil for a device that isn't there, can't be read, or is no part of a Btrfs file system.
    public init?(_ path: String) {
        guard let device = try? OwnedFD.open(path, O_RDONLY | O_CLOEXEC),
            let bytes = Self.read(device.number, 65536, 4096), let superblock = Superblock(bytes)
        else { return nil }
        self.superblock = superblock
        self.path = path
        let size = Int(bytes.number(148, UInt32.self))
        blockSize = size
        guard (4096...65536).contains(size) else {
            (chunks, root) = ([], nil)
            return
        }
        let length = min(Int(bytes.number(160, UInt32.self)), 2048)
        var known = Self.systemChunks(Array(bytes[811..<811 + length]), on: superblock.device)
        var waiting = [bytes.number(88, UInt64.self)]
        var visited: Set<UInt64> = []
        while let logical = waiting.popLast(), visited.count < Self.blockLimit {
            guard visited.insert(logical).inserted, let place = Self.place(of: logical, size, in: known),
                let block = Self.read(device.number, place, size), block.number(48, UInt64.self) == logical
            else { continue }
            let isLeaf = block[100] == 0
            let count = min(Int(block.number(96, UInt32.self)), (size - Self.headerSize) / (isLeaf ? 25 : 33))
            for index in 0..<count {
                let item = Self.headerSize + index * (isLeaf ? 25 : 33)
                if !isLeaf {
                    waiting.append(block.number(item + 17, UInt64.self))
                    continue
                }
                let (start, bytes) = (block.number(item + 17, UInt32.self), block.number(item + 21, UInt32.self))
                let data = Self.headerSize + Int(start)
                // BTRFS_CHUNK_ITEM_KEY
                guard block[item + 8] == 228, data + Int(bytes) <= size else { continue }
                let chunk = Array(block[data..<data + Int(bytes)])
                if let found = Self.chunk(chunk, at: block.number(item + 9, UInt64.self), on: superblock.device) {
                    known.append(found)
                }
            }
        }
        chunks = known
        root = Self.place(of: superblock.last.root, size, in: known).flatMap {
            Self.block(device.number, $0, size, at: superblock.last.root)
        }
    }

    /// The block at a logical address as it is on this device now; nil for none.
    public func block(at logical: UInt64) -> Block? {
        guard let place = Self.place(of: logical, blockSize, in: chunks),
            let device = try? OwnedFD.open(path, O_RDONLY | O_CLOEXEC)
        else { return nil }
        return Self.block(device.number, place, blockSize, at: logical)
    }

    private static func block(_ device: CInt, _ place: UInt64, _ size: Int, at logical: UInt64) -> Block? {
        guard let bytes = read(device, place, size), bytes.number(48, UInt64.self) == logical else { return nil }
        return Block(generation: bytes.number(80, UInt64.self), checksum: Array(bytes[0..<32]))
    }

    /// The superblock's copy of the chunks that the chunk tree itself is in: keys and items in turn.
    private static func systemChunks(_ bytes: [UInt8], on device: UInt64) -> [Chunk] {
        var (chunks, position) = ([Chunk](), 0)
        while position + 17 + 48 <= bytes.count {
            let stripes = Int(bytes.number(position + 17 + 44, UInt16.self))
            let end = position + 17 + 48 + stripes * 32
            guard end <= bytes.count else { break }
            if let found = chunk(
                Array(bytes[(position + 17)..<end]), at: bytes.number(position + 9, UInt64.self), on: device)
            {
                chunks.append(found)
            }
            position = end
        }
        return chunks
    }

    /// - Parameter bytes: of a `struct btrfs_chunk` with its stripes.
    private static func chunk(_ bytes: [UInt8], at logical: UInt64, on device: UInt64) -> Chunk? {
        guard bytes.count >= 48 else { return nil }
        let profile = Profile(flags: bytes.number(24, UInt64.self))
        // With the others a device has parts only.
        guard [.single, .dup, .raid1, .raid1c3, .raid1c4].contains(profile) else { return nil }
        for stripe in 0..<Int(bytes.number(44, UInt16.self)) {
            let at = 48 + stripe * 32
            guard at + 16 <= bytes.count else { return nil }
            if bytes.number(at, UInt64.self) == device {
                return Chunk(
                    logical: logical, length: bytes.number(0, UInt64.self), physical: bytes.number(at + 8, UInt64.self))
            }
        }
        return nil
    }

    private static func place(of logical: UInt64, _ size: Int, in chunks: [Chunk]) -> UInt64? {
        for chunk in chunks where logical >= chunk.logical {
            let offset = logical - chunk.logical
            guard offset < chunk.length, chunk.length - offset >= UInt64(size) else { continue }
            let (place, overflows) = chunk.physical.addingReportingOverflow(offset)
            return overflows || place > UInt64(Int64.max) - UInt64(size) ? nil : place
        }
        return nil
    }

    private static func read(_ device: CInt, _ place: UInt64, _ size: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: size)
        guard (try? retryingInterrupts("read", "device") { pread(device, &bytes, size, off_t(place)) }) == size else {
            return nil
        }
        return bytes
    }
}

extension [UInt8] {
    /// Little-endian.
    fileprivate func number<Number: FixedWidthInteger>(_ offset: Int, _ type: Number.Type) -> Number {
        withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
    }
}
