import CLinux
import Glibc
import Linux

/// The names in a directory, packed: one may have millions.
struct DirectoryNames: Sendable {
    private struct Entry {
        let inode: UInt64
        let start: UInt32
        let length: UInt8
        let type: UInt8
    }

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    var count: Int { entries.count }

    subscript(index: Int) -> (name: [UInt8], inode: UInt64, isDirectory: Bool) {
        let entry = entries[index]
        return (Array(bytes[Int(entry.start)..<Int(entry.start) + Int(entry.length)]), entry.inode, entry.type == 4)
    }

    /// Reads the names in an open directory and their inodes, sorted by the names' bytes.
    ///
    /// - Parameters:
    ///   - path: for messages.
    ///   - meter: counts the names, which are nodes of a tree.
    init(of directory: CInt, _ meter: inout TreeMeter, _ path: () -> String) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let count = try retryingInterrupts("read directory", path()) {
                dish_getdents64(directory, buffer.baseAddress, UInt(buffer.count))
            }
            if count == 0 { break }
            // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
            var position = 0
            while position < count {
                let length = Int(buffer.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
                let name = UnsafeRawBufferPointer(rebasing: buffer[position + 19..<position + length])
                try add(
                    UnsafeRawBufferPointer(rebasing: name[..<(name.firstIndex(of: 0) ?? name.count)]),
                    buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self), type: buffer[position + 18], &meter)
                position += length
            }
        }
        bytes.withUnsafeBytes { bytes in
            func name(_ entry: Entry) -> UnsafeRawBufferPointer {
                UnsafeRawBufferPointer(rebasing: bytes[Int(entry.start)..<Int(entry.start) + Int(entry.length)])
            }
            entries.sort { TreeNodes.compare(name($0), name($1)) < 0 }
        }
    }

    private mutating func add(
        _ name: UnsafeRawBufferPointer, _ inode: UInt64, type: UInt8, _ meter: inout TreeMeter
    ) throws {
        let dot = UInt8(ascii: ".")
        if name.elementsEqual([dot]) || name.elementsEqual([dot, dot]) { return }
        try meter.addNodes(1)
        try meter.addBytes(name.count)
        guard let start = UInt32(exactly: bytes.count) else { throw SystemError("read directory", code: EFBIG) }
        // Btrfs has no longer ones, but other file systems that are imported from may.
        guard let length = UInt8(exactly: name.count) else {
            throw SystemError("read a name", shownName(Array(name)), code: ENAMETOOLONG)
        }
        entries.append(Entry(inode: inode, start: start, length: length, type: type))
        bytes.append(contentsOf: name)
    }
}

/// Where a symbolic link in an open directory leads.
///
/// - Parameter path: for messages.
func readLink(_ name: [UInt8], _ parent: CInt, _ path: () -> String) throws -> [UInt8] {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { target in
        guard let start = target.baseAddress else { return [] }
        let count = try retryingInterrupts("read link", path()) {
            withPath(name) { readlinkat(parent, $0, start, target.count) }
        }
        return target[..<count].map { UInt8(bitPattern: $0) }
    }
}
