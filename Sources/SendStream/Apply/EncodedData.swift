import CSendStream

/// Compressed data of a stream: checks, and decompression where the kernel doesn't take it as it is.
enum EncodedData {
    /// `BTRFS_ENCODED_IO_COMPRESSION_…` of linux/btrfs.h; LZO has one number for each block size from 4 to 64 KiB.
    private enum Compression: UInt32 {
        case none = 0
        case zlib, zstd, lzo4K, lzo8K, lzo16K, lzo32K, lzo64K

        var segment: Int { 4096 << Int(rawValue - Self.lzo4K.rawValue) }
    }

    /// - Throws: `CommandFault` `.invalidValue` for an extent that no kernel makes: decompressing it could need any amount
    ///   of memory.
    static func check(_ extent: StreamCommand.EncodedExtent, _ data: UnsafeRawBufferPointer) throws(CommandFault) {
        guard extent.length <= StreamFormat.longestExtent, data.count <= Int(StreamFormat.longestExtent),
            extent.start <= extent.length, extent.fileLength <= extent.length - extent.start, extent.fileLength > 0
        else {
            throw CommandFault(
                .invalidValue,
                "\(data.count) bytes that stand for \(extent.fileLength) from \(extent.start) on of \(extent.length) can't be")
        }
        guard extent.encryption == 0, Compression(rawValue: extent.compression) != nil else {
            throw CommandFault(
                .invalidValue, "compression \(extent.compression) with encryption \(extent.encryption) isn't known")
        }
    }

    static func kernelTakes(_ extent: StreamCommand.EncodedExtent) -> Bool { extent.compression != 0 }

    /// Calls with the bytes of the file that an extent stands for.
    static func withDecoded(
        _ extent: StreamCommand.EncodedExtent, _ data: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard let compression = Compression(rawValue: extent.compression) else {
            throw CommandFault(.invalidValue, "compression \(extent.compression) isn't known")
        }
        // Shorter content is extended with zeros (linux/btrfs.h).
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(extent.length), alignment: 16)
        defer { output.deallocate() }
        output.initializeMemory(as: UInt8.self, repeating: 0)
        switch compression {
        case .none: output.copyMemory(from: UnsafeRawBufferPointer(rebasing: data.prefix(output.count)))
        case .zlib:
            try check(dish_inflate(data.baseAddress, data.count, output.baseAddress, output.count), "zlib")
        case .zstd:
            try check(dish_unzstd(data.baseAddress, data.count, output.baseAddress, output.count), "zstd")
        default: try decodeLZO(data, output, segment: compression.segment)
        }
        let start = Int(extent.start)
        try body(UnsafeRawBufferPointer(rebasing: output[start..<start + Int(extent.fileLength)]))
    }

    private static func check(_ result: Int, _ name: String) throws(CommandFault) {
        guard result >= 0 else { throw CommandFault(.invalidValue, "the \(name) data is damaged") }
    }

    /// Btrfs's framing of LZO (fs/btrfs/lzo.c): the whole length, then segments with their lengths, each of which gives
    /// one block; a length never crosses a block's end.
    private static func decodeLZO(
        _ data: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, segment: Int
    ) throws {
        func number(at offset: Int) throws -> Int {
            guard offset + 4 <= data.count else { throw CommandFault(.invalidValue, "the LZO data is damaged") }
            return Int(UInt32(littleEndian: data.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        let total = min(try number(at: 0), data.count)
        var (position, written) = (4, 0)
        while position < total, written < output.count {
            let left = segment - position % segment
            if left < 4 { position += left }
            let length = try number(at: position)
            position += 4
            guard length > 0, length <= data.count - position else {
                throw CommandFault(.invalidValue, "the LZO data is damaged")
            }
            let room = min(segment, output.count - written)
            guard
                let count = LZO.decompress(
                    UnsafeRawBufferPointer(rebasing: data[position..<position + length]),
                    to: UnsafeMutableRawBufferPointer(rebasing: output[written..<written + room]))
            else { throw CommandFault(.invalidValue, "the LZO data is damaged") }
            written += count
            position += length
        }
    }
}
