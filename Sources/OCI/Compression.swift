import Glibc
public import Linux

/// Archives and streams are compressed and decompressed by programs of the host, in processes of their own.
public enum Compression: Sendable {
    case none, gzip, zstd
    /// Images have them seldom, and tarballs often; nothing is written so.
    case xz, bzip2

    /// What a file is compressed with, by its first bytes: media types are often wrong.
    public init(of file: borrowing OwnedFD) throws {
        let number = file.number
        let bytes = try Self.bytes(6, at: 0, of: number)
        if bytes.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if bytes.elementsEqual([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) {
            self = .xz
        } else if bytes.starts(with: "BZh".utf8) {
            self = .bzip2
        } else {
            self = try Self.isZstandard(number) ? .zstd : .none
        }
    }

    private static func bytes(_ count: Int, at offset: UInt64, of file: CInt) throws -> ArraySlice<UInt8> {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = try retryingInterrupts("read", "archive") { pread(file, &bytes, count, off_t(offset)) }
        return bytes.prefix(read)
    }

    /// Skippable frames may come before the first one (RFC 8878, section 3.1.2). That nothing else follows is no accident: a tar archive
    /// may begin like one.
    private static func isZstandard(_ file: CInt) throws -> Bool {
        var offset: UInt64 = 0
        for _ in 0..<1024 {
            let head = Array(try bytes(8, at: offset, of: file))
            if head.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { return true }
            if head.isEmpty { return offset > 0 }
            guard head.count == 8, head[0] & 0xf0 == 0x50, head[1...3].elementsEqual([0x2a, 0x4d, 0x18]) else { return false }
            offset += 8 + head[4...].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        return false
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

    /// The same of an open file, from where it is read next. That the file can't be decompressed is told before what that makes of
    /// its content.
    public func read<Result: Sendable>(
        _ file: consuming OwnedFD, _ path: String, _ body: @escaping @Sendable (CInt) throws -> Result
    ) async throws -> Result {
        guard let program else { return try await Self.readPlain(file, body) }
        let plain = Arguments("-d", "-c")
        let arguments =
            switch self {
            case .zstd: plain.words("-q").option("memory", Self.zstdMemory)
            // xz(1) -9 needs 65 MiB; a header may ask for four gigabytes.
            case .xz: plain.option("threads", 1).option("memlimit-decompress", "100MiB")
            default: plain
            }
        let reader = Self.decompressor(try Self.find(program), arguments)
        do {
            return try await reader.read(file.number) { try body($0.number) }
        } catch let failure as ConfinedReader.Failure {
            throw OCIError(.damaged, "decompress '\(path)': \(failure)")
        }
    }

    /// A program that decompresses a file which others made: confined, with room for the largest window that is allowed.
    public static func decompressor(_ program: String, _ arguments: Arguments) -> ConfinedReader {
        var reader = ConfinedReader(program, arguments.list)
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
        let arguments =
            switch self {
            case .gzip: Arguments("-n", "-c", "-6")
            case .zstd: Arguments("-c", "-q", "-3").flag("single-thread")
            default: Arguments("-c")
            }
        var spawn = Spawn(try Self.find(program), arguments)
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
        case .xz: "xz"
        case .bzip2: "bzip2"
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
            let package = program == "xz" ? "xz-utils" : program
            throw OCIError(.program, "\(program) is not installed; install it: apt-get install \(package)")
        }
        return path
    }
}
