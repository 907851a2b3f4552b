import CLinux
import Glibc
import Linux

/// The names in an open directory and their inodes, sorted by the names' bytes.
///
/// - Parameters:
///   - path: for messages.
///   - meter: counts the names, which are nodes of a tree.
func readEntries(
    of directory: CInt, _ path: [UInt8], _ meter: inout TreeMeter
) throws -> [(name: [UInt8], inode: UInt64)] {
    var entries: [(name: [UInt8], inode: UInt64)] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 8)
    defer { buffer.deallocate() }
    while true {
        let count = try retryingInterrupts("read directory", text(path)) {
            dish_getdents64(directory, buffer.baseAddress, UInt(buffer.count))
        }
        if count == 0 { break }
        // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
        var position = 0
        while position < count {
            let length = Int(buffer.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self))
            let name = Array(buffer[position + 19..<position + length].prefix { $0 != 0 })
            if name != [UInt8(ascii: ".")] && name != Array("..".utf8) {
                try meter.addNodes(1)
                try meter.addBytes(name.count)
                entries.append((name, buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
            }
            position += length
        }
    }
    return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
}

/// Where a symbolic link in an open directory leads.
///
/// - Parameter path: for messages.
func readLink(_ name: [UInt8], _ parent: CInt, _ path: [UInt8]) throws -> [UInt8] {
    var target = [UInt8](repeating: 0, count: 4096)
    let count = try retryingInterrupts("read link", text(path)) {
        withPath(name) { name in
            target.withUnsafeMutableBytes {
                readlinkat(parent, name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
        }
    }
    return Array(target[..<count])
}
