import CLinux
import Crypto
import Glibc
import Linux

/// The digest of a file's content in a tree (docs/layer-format.md, "Content"): SHA-256 of it or, where many of its blocks are zeros, one
/// in which runs of such blocks are counted instead of hashed.
///
/// Which of the two it is follows from the content alone, not from how the content is stored: a hole is zeros.
enum FileDigest {
    /// Bytes that are zeros together or aren't. The last block of a file may be shorter.
    static let block: UInt64 = 64 << 10
    /// Number of blocks of zeros from which they are counted.
    static let sparseBlocks: UInt64 = 64
    /// No smaller file has so many.
    static let smallestSparse = (sparseBlocks - 1) * block + 1
    private static let prefix = Array("dish.sparse.1\0".utf8)
    /// Blocks that are read at once.
    private static let window = 1 << 20
    /// Number of holes that are looked at before the content is read.
    private static let probes = 4096

    /// The digest of a whole file.
    static func read(_ file: consuming OwnedFD, _ path: String) throws -> ContentDigest {
        var status = stat()
        let number = file.number
        try retryingInterrupts("stat", path) { fstat(number, &status) }
        let size = UInt64(max(0, status.st_size))
        guard size >= smallestSparse else { return ContentDigest(try ContentHash.file(file, path)) }
        if try !hasManyHoles(number, size, path), let digest = try plain(number, size, path) { return digest }
        return try sparse(number, size, path)
    }

    /// SHA-256 of the content; nil when too many of its blocks are zeros.
    private static func plain(_ file: CInt, _ size: UInt64, _ path: String) throws -> ContentDigest? {
        var hash = PlainContentHash()
        try forEachWindow(of: file, from: 0, to: size, path) { bytes in
            hash.add(bytes)
            return hash.isPlain
        }
        return hash.finish()
    }

    /// SHA-256 of `"dish.sparse.1\0"` and of the SHA-256 of, in order, 1 and the bytes of each block that has others than zeros, and 0 and
    /// the length of each run of blocks that haven't, as a little-endian `u64`.
    ///
    /// The last part that is hashed is far shorter than any file that has such a digest, so no other content of the same length has it.
    private static func sparse(_ file: CInt, _ size: UInt64, _ path: String) throws -> ContentDigest {
        var hash = SHA256()
        var zeros: UInt64 = 0
        func endRun() {
            guard zeros > 0 else { return }
            hash.update(data: [0] as [UInt8])
            withUnsafeBytes(of: zeros.littleEndian) { hash.update(bufferPointer: $0) }
            zeros = 0
        }
        var position: UInt64 = 0
        while position < size {
            try Cancellation.check()
            let next = try data(in: file, from: position, to: size, path)
            if next >= size {
                // The last block counts, however short it is.
                zeros += (size - position + block - 1) / block
                break
            }
            let start = next / block * block
            if start > position {
                zeros += (start - position) / block
                position = start
            }
            let end = min(size, position + UInt64(window))
            try forEachWindow(of: file, from: position, to: end, path) { bytes in
                for offset in stride(from: 0, to: bytes.count, by: Int(block)) {
                    let piece = UnsafeRawBufferPointer(rebasing: bytes[offset..<min(bytes.count, offset + Int(block))])
                    if isZero(piece) {
                        zeros += 1
                    } else {
                        endRun()
                        hash.update(data: [1] as [UInt8])
                        hash.update(bufferPointer: piece)
                    }
                }
                return true
            }
            position = end
        }
        endRun()
        return ContentDigest(Array(SHA256.hash(data: prefix + Array(hash.finalize()))))
    }

    /// Whether holes alone make it sparse: then it needn't be read twice.
    private static func hasManyHoles(_ file: CInt, _ size: UInt64, _ path: String) throws -> Bool {
        var (position, zeros): (UInt64, UInt64) = (0, 0)
        for _ in 0..<probes {
            guard position < size else { break }
            let hole = dish_seek_hole(file, Int64(position))
            guard hole >= 0, UInt64(hole) < size else { break }
            let end = try data(in: file, from: UInt64(hole), to: size, path)
            let first = (UInt64(hole) + block - 1) / block
            let last = end >= size ? (size + block - 1) / block : end / block
            if last > first { zeros += last - first }
            if zeros >= sparseBlocks { return true }
            position = end
        }
        return false
    }

    /// Where data is next, or the end.
    private static func data(in file: CInt, from position: UInt64, to size: UInt64, _ path: String) throws -> UInt64 {
        let next = dish_seek_data(file, Int64(position))
        if next >= 0 { return min(UInt64(next), size) }
        guard errno == ENXIO else { throw SystemError("read", path) }
        return size
    }

    /// Reads whole blocks; what a file is shorter than it was is zeros.
    ///
    /// - Parameter body: returns whether to go on.
    private static func forEachWindow(
        of file: CInt, from start: UInt64, to end: UInt64, _ path: String, _ body: (UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: window, alignment: 4096)
        defer {
            buffer.deallocate()
            Cancellation.forgetContent(of: file)
        }
        var position = start
        while position < end {
            try Cancellation.check()
            let wanted = Int(min(UInt64(window), end - position))
            var done = 0
            while done < wanted {
                let count = try retryingInterrupts("read", path) {
                    pread(file, buffer.baseAddress! + done, wanted - done, off_t(position) + off_t(done))
                }
                if count == 0 { break }
                done += count
            }
            try Cancellation.check(reading: done)
            if done < wanted { (buffer.baseAddress! + done).initializeMemory(as: UInt8.self, repeating: 0, count: wanted - done) }
            guard try body(UnsafeRawBufferPointer(rebasing: buffer[..<wanted])) else { return }
            position += UInt64(wanted)
        }
    }

    static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return true }
        // A block that is equal to itself one byte on has one value.
        return bytes[0] == 0 && memcmp(start, start + 1, bytes.count - 1) == 0
    }
}

/// Hashes content that comes piece by piece, for as long as few of its blocks are zeros.
struct PlainContentHash {
    private var hash = SHA256()
    private var position: UInt64 = 0
    private var zeroBlocks: UInt64 = 0
    /// Whether the block that `position` is in is zeros so far.
    private var isZeroSoFar = true
    private static let zeros = [UInt8](repeating: 0, count: Int(FileDigest.block))

    /// Whether the content's digest can still be its SHA-256.
    var isPlain: Bool { zeroBlocks < FileDigest.sparseBlocks }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        guard isPlain else { return }
        hash.update(bufferPointer: bytes)
        var rest = bytes[...]
        while !rest.isEmpty {
            let room = Int(FileDigest.block - position % FileDigest.block)
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(room))
            if isZeroSoFar { isZeroSoFar = FileDigest.isZero(piece) }
            position += UInt64(piece.count)
            if position.isMultiple(of: FileDigest.block) { endBlock() }
            rest = rest.dropFirst(piece.count)
        }
    }

    mutating func addZeros(_ count: UInt64) {
        // One more than that has that many whole blocks in it, wherever it begins.
        guard count / FileDigest.block <= FileDigest.sparseBlocks else { return zeroBlocks = FileDigest.sparseBlocks }
        var left = Int(count)
        while left > 0, isPlain {
            let piece = min(left, Self.zeros.count)
            Self.zeros.withUnsafeBytes { add(UnsafeRawBufferPointer(rebasing: $0[..<piece])) }
            left -= piece
        }
    }

    /// Nil for content that must be read by `FileDigest`.
    mutating func finish() -> ContentDigest? {
        if !position.isMultiple(of: FileDigest.block) { endBlock() }
        return isPlain ? ContentDigest(Array(hash.finalize())) : nil
    }

    private mutating func endBlock() {
        if isZeroSoFar { zeroBlocks += 1 }
        isZeroSoFar = true
    }
}
