import Glibc
public import Linux

/// Archives and streams are compressed and decompressed by programs of the host, in processes of their own.
public enum Compression: Sendable {
    case none, gzip, zstd

    /// What a file is compressed with, by its first bytes: media types are often wrong.
    public init(of file: borrowing OwnedFD) throws {
        var bytes = [UInt8](repeating: 0, count: 4)
        let number = file.number
        let count = try retryingInterrupts("read", "archive") { pread(number, &bytes, 4, 0) }
        switch bytes.prefix(count) {
        case [0x28, 0xb5, 0x2f, 0xfd]: self = .zstd
        case let start where start.starts(with: [0x1f, 0x8b]): self = .gzip
        default: self = .none
        }
    }

    /// Gives a file's content, decompressed, to a closure as a descriptor to read.
    ///
    /// - Throws: `OCIError` `.damaged` when it isn't what it seems; what the closure throws.
    public func read<Result: Sendable>(
        _ path: String, _ body: @escaping @Sendable (CInt) throws -> Result
    ) async throws -> Result {
        let opened = try BlobFile(path)
        return try await read(opened.descriptor.duplicate(), path, body)
    }

    /// The same of an open file, from where it is read next.
    public func read<Result: Sendable>(
        _ file: consuming OwnedFD, _ path: String, _ body: @escaping @Sendable (CInt) throws -> Result
    ) async throws -> Result {
        guard let program else { return try await Self.readPlain(file, body) }
        let reader = Self.decompressor(
            try Self.find(program), ["-d", "-c", "-q"] + (self == .zstd ? ["--memory=\(Self.zstdMemory)"] : []))
        let (result, status) = try await reader.read(file.number) { try body($0.number) }
        guard status.isSuccess else { throw OCIError(.damaged, "decompress '\(path)': \(program) ended with \(status)") }
        return result
    }

    /// A program that decompresses a file which others made: confined, with room for the largest window that is allowed.
    public static func decompressor(_ program: String, _ arguments: [String]) -> ConfinedReader {
        var reader = ConfinedReader(program, arguments)
        (reader.memory, reader.processorSeconds) = (256 << 20, 3600)
        return reader
    }

    /// Compresses what a closure writes into a file.
    public func write<Result: Sendable>(
        to path: String, _ body: @escaping @Sendable (CInt) throws -> Result
    ) async throws -> Result {
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        guard let program else { return try await Self.readPlain(file, body) }
        // One thread and no name or time: the same input always gives the same output.
        var spawn = Spawn(try Self.find(program), self == .gzip ? ["-n", "-c", "-6"] : ["--single-thread", "-c", "-q", "-3"])
        spawn.descriptors = [-1, file.number, -1]
        let (result, status) = try await PipedCommand(spawn).feed { try body($0.number) }
        guard status.isSuccess else {
            throw OCIError(.program, "write '\(path)': \(program) ended with \(status); is the disk full?")
        }
        return result
    }

    /// Bytes of the window that a frame may ask for: zstd's own default, which is what `zstd --ultra -22` and `--long` ask for.
    private static let zstdMemory = 128 << 20

    private var program: String? {
        switch self {
        case .none: nil
        case .gzip: "gzip"
        case .zstd: "zstd"
        }
    }

    private static func readPlain<Result: Sendable>(
        _ file: consuming OwnedFD, _ body: @escaping @Sendable (CInt) throws -> Result
    ) async throws -> Result {
        let number = file.release()
        defer { close(number) }
        return try await blocking { try body(number) }
    }

    private static func find(_ program: String) throws -> String {
        guard let path = Executable.find(program) else {
            throw OCIError(.program, "\(program) is not installed; install it: apt-get install \(program)")
        }
        return path
    }
}
