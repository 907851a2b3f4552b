import Crypto
import FoundationEssentials
import Glibc
import Layers
import Linux
import OCI
import SendStream

/// The blob that a layer's canonical stream becomes, made when it is needed.
struct StreamBlob: Sendable {
    let pool: Pool
    let layer: LayerID
    let base: LayerID?

    /// What is remembered of it: the same layers always give the same stream.
    private struct Record: Codable {
        var digest: BlobDigest
        var size: UInt64
        var length: UInt64
        /// Repositories that have it, `HOST/NAME`, the latest last.
        var places: [String]?

        mutating func add(place: String) { places = Array(((places ?? []).filter { $0 != place } + [place]).suffix(8)) }
    }

    private var record: String { "\(pool.cache)/streams/\(layer.hex)-\(base?.hex ?? "none").json" }

    /// Makes sure that a repository has it.
    ///
    /// - Parameter limit: from this size on it isn't stored.
    /// - Returns: nil when it is as large as the limit.
    func store(
        in repository: some Repository, limit: UInt64?, progress: @escaping @Sendable (Int) -> Void
    ) async throws -> Descriptor? {
        let known = try? StateFile.read(Record.self, record)
        if let known {
            if let limit, known.size >= limit { return nil }
            if try await repository.finds(known.digest, in: known.places ?? []) {
                try keep(known, at: repository.name)
                return descriptor(known)
            }
        }
        let (pool, layer, base) = (pool, layer, base)
        let scratch = try await blocking { try StagingDirectory(in: pool) }
        let path = "\(scratch.path)/stream"
        let length = try await Compression.zstd.write(to: path) { descriptor in
            var sink = CountingSink(descriptor)
            try pool.writeStream(of: layer, against: base, to: &sink)
            return sink.count
        }
        let made = try await blocking {
            var status = stat()
            try retryingInterrupts("read", path) { stat(path, &status) }
            let digest = try ContentHash.file(OwnedFD.open(path, O_RDONLY), path)
            return Record(digest: try BlobDigest("sha256:" + hexadecimal(digest)), size: UInt64(status.st_size), length: length)
        }
        if let limit, made.size >= limit {
            try keep(made, at: nil)
            return nil
        }
        try await repository.store(descriptor(made), from: path, progress: progress)
        try keep(made, at: repository.name)
        return descriptor(made)
    }

    /// Remembers the blob that the layer was made from, and where it came from: it need be neither made nor sent again.
    func remember(_ blob: Descriptor, at place: String) throws {
        guard let length = blob.annotations?[Package.lengthAnnotation].flatMap({ UInt64($0) }) else { return }
        try keep(Record(digest: blob.digest, size: blob.size, length: length), at: place)
    }

    /// Repositories that are known to have it.
    var places: [String] { (try? StateFile.read(Record.self, record))?.places ?? [] }

    private func keep(_ made: Record, at place: String?) throws {
        var made = made
        if let place { made.add(place: place) }
        try Files.makeDirectories(Files.parent(of: record), mode: 0o700)
        try StateFile.write(made, record, durable: false)
    }

    private func descriptor(_ record: Record) -> Descriptor {
        Descriptor(
            mediaType: Package.streamType, digest: record.digest, size: record.size,
            annotations: [Package.lengthAnnotation: String(record.length)])
    }
}

/// Counts what goes into a descriptor.
private struct CountingSink: ByteSink {
    private var sink: FileSink
    var count: UInt64 = 0

    init(_ descriptor: CInt) { sink = FileSink(descriptor, "zstd") }

    mutating func write(_ bytes: UnsafeRawBufferPointer) throws {
        count += UInt64(bytes.count)
        try sink.write(bytes)
    }
}

/// A stream that may not be longer than was said: a small blob can unpack to anything.
struct BoundedSource: ByteSource {
    private var source: FileSource
    private var left: UInt64

    init(_ descriptor: CInt, limit: UInt64) {
        source = FileSource(descriptor, "zstd")
        left = limit
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try source.read(into: buffer)
        guard UInt64(count) <= left else {
            throw RegistryError(.damaged, "a layer's stream is longer than its manifest says, or than the pool has room for")
        }
        left -= UInt64(count)
        return count
    }
}
