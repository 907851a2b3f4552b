import CSendStream

/// CRC-32C as Btrfs has it: from zero on, without inversions.
enum CRC32C {
    /// Of a command: its header is counted with a checksum of zero.
    static func command(length: UInt32, type: UInt16, body: UnsafeRawBufferPointer) -> UInt32 {
        var header: (UInt64, UInt16) = (
            UInt64(length.littleEndian) | UInt64(type.littleEndian) << 32, 0
        )
        let crc = withUnsafeBytes(of: &header) { dish_crc32c(0, $0.baseAddress, StreamFormat.commandHeader) }
        return dish_crc32c(crc, body.baseAddress, body.count)
    }
}
