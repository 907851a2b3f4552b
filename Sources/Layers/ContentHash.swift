import Crypto
import Glibc
public import Linux

/// SHA-256 of content. That of a tree's files is `FileDigest`.
public enum ContentHash {
    /// The digest of what can still be read from a file.
    public static func file(_ file: consuming OwnedFD, _ path: String) throws -> [UInt8] {
        var hash = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 4096)
        defer { buffer.deallocate() }
        let number = file.number
        while true {
            let count = try retryingInterrupts("read", path) { Glibc.read(number, buffer.baseAddress, buffer.count) }
            // The smallest file takes a block.
            try Cancellation.check(reading: max(count, 4096))
            if count == 0 {
                Cancellation.forgetContent(of: number)
                return Array(hash.finalize())
            }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    public static func bytes(_ bytes: some Collection<UInt8>) -> [UInt8] {
        Array(SHA256.hash(data: Array(bytes)))
    }
}
