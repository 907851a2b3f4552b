import CLinux
import Glibc
public import Linux

/// Where a file's content is on the devices: what two files have in the same place of the same extent is equal, without
/// reading it.
public struct ExtentMap: Sendable {
    private struct Piece {
        let range: Range<UInt64>
        /// The extent; 0 is a hole.
        let extent: UInt64
        /// Where the range begins in it, less where it begins in the file: the same for the same bytes at the same place.
        let shift: UInt64
    }

    /// Sorted; what is missing between them is unknown.
    private let pieces: [Piece]

    /// Reads the map of an open file (`EXTENT_DATA` items of its subvolume's tree). What the kernel hasn't written yet
    /// isn't seen: it is for files that don't change.
    public init(of file: borrowing OwnedFD, _ path: String) throws {
        try requireBtrfs(file.number, path)
        var status = stat()
        let number = file.number
        try retryingInterrupts("stat", path) { fstat(number, &status) }
        let inode = UInt64(status.st_ino)
        var pieces: [Piece] = []
        try searchTree(
            number, path, tree: 0, type: UInt32(BTRFS_EXTENT_DATA_KEY), objects: inode...inode
        ) { _, offset, item in
            // struct btrfs_file_extent_item: byte 20 is its type; from 21 on the extent's address and size, the
            // offset in it and the length. Inline ones are shorter and stay unknown.
            guard item.count >= 53, item[20] != UInt8(BTRFS_FILE_EXTENT_INLINE) else { return }
            let isPreallocated = item[20] == UInt8(BTRFS_FILE_EXTENT_PREALLOC)
            let extent = item.loadUnaligned(fromByteOffset: 21, as: UInt64.self).littleEndian
            let start = item.loadUnaligned(fromByteOffset: 37, as: UInt64.self).littleEndian
            let length = item.loadUnaligned(fromByteOffset: 45, as: UInt64.self).littleEndian
            guard offset <= .max - length else { return }
            // Space that is only set aside reads as zeros, as holes do.
            let isHole = isPreallocated || extent == 0
            pieces.append(
                Piece(range: offset..<offset + length, extent: isHole ? 0 : extent, shift: isHole ? 0 : start &- offset))
        }
        self.pieces = pieces.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// The ranges of bytes, sorted, that another file has in the same place on the same file system.
    public func shared(with other: ExtentMap) -> [Range<UInt64>] {
        var shared: [Range<UInt64>] = []
        var (left, right) = (pieces[...], other.pieces[...])
        while let first = left.first, let second = right.first {
            let common = first.range.clamped(to: second.range)
            if !common.isEmpty, first.extent == second.extent, first.shift == second.shift {
                if let last = shared.last, last.upperBound == common.lowerBound {
                    shared[shared.count - 1] = last.lowerBound..<common.upperBound
                } else {
                    shared.append(common)
                }
            }
            if first.range.upperBound <= second.range.upperBound { left.removeFirst() } else { right.removeFirst() }
        }
        return shared
    }
}
