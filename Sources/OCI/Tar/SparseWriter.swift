import Glibc
import Linux

/// Writes the content of an archived file; zeros become holes.
enum SparseWriter {
    private static let block = 65536

    /// - Parameter reader: at the file's data.
    static func write(_ reader: inout TarReader, _ entry: TarEntry, to file: CInt) throws {
        let name = shown(entry.path)
        var regions = (entry.regions ?? [.init(offset: 0, length: entry.size)])[...]
        var written: UInt64 = 0
        try reader.content { bytes in
            var bytes = bytes[...]
            while !bytes.isEmpty {
                while let region = regions.first, written == region.length {
                    regions = regions.dropFirst()
                    written = 0
                }
                guard let region = regions.first else { throw OCIError(.damaged, "more data than the file has room for") }
                let count = min(bytes.count, Int(min(region.length - written, UInt64(block))))
                let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(count))
                try write(piece, to: file, at: region.offset + written, name)
                written += UInt64(count)
                bytes = bytes.dropFirst(count)
            }
        }
        // Where it ends with a hole.
        try retryingInterrupts("set size of", name) { ftruncate(file, off_t(entry.size)) }
    }

    /// Zeros are not written: the file has a hole there.
    private static func write(_ bytes: UnsafeRawBufferPointer, to file: CInt, at offset: UInt64, _ name: String) throws {
        if bytes.count >= 4096, isZero(bytes) { return }
        var position = 0
        while position < bytes.count {
            position += try retryingInterrupts("write", name) {
                pwrite(file, bytes.baseAddress! + position, bytes.count - position, off_t(offset) + off_t(position))
            }
        }
    }

    private static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        // A block that is equal to itself one byte on has one value.
        bytes[0] == 0 && memcmp(bytes.baseAddress!, bytes.baseAddress! + 1, bytes.count - 1) == 0
    }
}
