import Glibc
import Linux

/// Where a stream comes from. Reading blocks.
public protocol ByteSource {
    /// Reads up to as many bytes as the buffer holds; 0 at the end.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// Where a stream goes. Writing blocks until all is taken.
public protocol ByteSink {
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws
}

/// A descriptor that somebody else owns, as a source.
public struct FileSource: ByteSource {
    private let descriptor: CInt
    private let name: String

    /// - Parameter name: what messages call it.
    public init(_ descriptor: CInt, _ name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    public mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try retryingInterrupts("read", name) { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
    }
}

/// A descriptor that somebody else owns, as a sink.
public struct FileSink: ByteSink {
    private let descriptor: CInt
    private let name: String

    /// - Parameter name: what messages call it.
    public init(_ descriptor: CInt, _ name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        var left = bytes[...]
        while !left.isEmpty {
            let rest = UnsafeRawBufferPointer(rebasing: left)
            let count = try retryingInterrupts("write", name) { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            left = left.dropFirst(count)
        }
    }
}

/// A sink that keeps all bytes, for what is known to be small.
public struct MemorySink: ByteSink {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws { self.bytes.append(contentsOf: bytes) }
}

/// Bytes in memory as a source.
public struct MemorySource: ByteSource {
    private var left: ArraySlice<UInt8>

    public init(_ bytes: [UInt8]) { left = bytes[...] }

    public mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = min(buffer.count, left.count)
        buffer.copyBytes(from: left.prefix(count))
        left = left.dropFirst(count)
        return count
    }
}
