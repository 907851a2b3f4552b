import Glibc
import Layers
import Linux
import OCI
import SendStream

/// A root file system that is no image of any format: `stream:FILE`, `tar:FILE`, `dir:PATH` or `subvolume:PATH`.
public struct TreeSource: Sendable, CustomStringConvertible {
    enum Kind: String, CaseIterable {
        case stream, tar, dir, subvolume
    }

    let kind: Kind
    let path: String

    /// Nil for what is something else.
    init?(_ text: String) throws {
        guard let kind = Kind.allCases.first(where: { text.hasPrefix("\($0.rawValue):") }) else { return nil }
        let path = String(text.dropFirst(kind.rawValue.utf8.count + 1))
        guard !path.isEmpty else { throw RegistryError(.invalid, "'\(text)' names no place: write \(kind.rawValue):PATH") }
        self.kind = kind
        self.path = path
    }

    public var description: String { "\(kind.rawValue):\(path)" }
}

/// Makes layers of root file systems.
struct TreeImport: Sendable {
    let pool: Pool
    let report: @Sendable (TransferEvent) -> Void

    /// - Parameters:
    ///   - label: of the layer, for people.
    ///   - unpack: makes a layer of an archive.
    func run(
        _ source: TreeSource, label: String, unpack: (_ archive: FetchedBlob) async throws -> Layer
    ) async throws -> Layer {
        let (pool, path) = (pool, source.path)
        switch source.kind {
        case .tar:
            let file = try FetchedBlob(path)
            report(.step("unpack '\(path)'"))
            return try await unpack(file)
        case .stream: return try await finish(importStreams(path))
        case .dir:
            report(.step("copy '\(path)'"))
            try warnOfMounts(path)
            return try await finish(blocking { try pool.importDirectory(path, label: label) })
        case .subvolume:
            report(.step("take a snapshot of '\(path)'"))
            guard let found = try await blocking({ try pool.importSubvolume(path, label: label) }) else {
                report(.step("it lies on another file system than the pool: copy it"))
                try warnOfMounts(path)
                return try await finish(blocking { try pool.importDirectory(path, label: label) })
            }
            if let first = found.nested.first {
                let count = found.nested.count
                report(
                    .warning(
                        "'\(path)' has \(count) other subvolume\(count == 1 ? "" : "s") inside, of which nothing is in the image (first: '\(first)')"
                    ))
            }
            return finish(found.tree)
        }
    }

    private func finish(_ imported: ImportedTree) -> Layer {
        if !imported.leftOut.isEmpty { report(.leftOut(imported.leftOut)) }
        return imported.layer
    }

    /// Streams of a file, perhaps compressed, or of standard input.
    private func importStreams(_ path: String) async throws -> ImportedTree {
        let (pool, report) = (pool, report)
        if path == "-" {
            return try await blocking { try pool.importStreams(Self.source(STDIN_FILENO, "standard input", report)) }
        }
        let file = try FetchedBlob(path)
        let compression = try Compression(of: file.file)
        if case .none = compression { report(.expecting(bytes: file.size)) }
        report(.step("apply the streams in '\(path)'"))
        return try await file.read(compression) { try pool.importStreams(Self.source($0, path, report)) }
    }

    private static func source(
        _ descriptor: CInt, _ name: String, _ report: @escaping @Sendable (TransferEvent) -> Void
    ) -> ReportingSource { ReportingSource(FileSource(descriptor, name), report) }

    /// What is mounted somewhere in a directory isn't the directory's.
    private func warnOfMounts(_ path: String) throws {
        guard let real = realpath(path, nil) else { throw SystemError("open", path) }
        defer { free(real) }
        let prefix = String(cString: real) == "/" ? "/" : String(cString: real) + "/"
        let mounts = Set(try Mounts.list().map(\.path).filter { $0.hasPrefix(prefix) && $0 != "/" })
        guard let first = mounts.min() else { return }
        report(
            .warning(
                "\(mounts.count) other file system\(mounts.count == 1 ? " is" : "s are") mounted in '\(path)', of which nothing is in the image (first: '\(first)')"
            ))
    }
}

/// Tells how much of a stream came.
private struct ReportingSource: ByteSource {
    private var source: FileSource
    private let report: @Sendable (TransferEvent) -> Void

    init(_ source: FileSource, _ report: @escaping @Sendable (TransferEvent) -> Void) {
        self.source = source
        self.report = report
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = try source.read(into: buffer)
        if count > 0 { report(.transferred(bytes: count)) }
        return count
    }
}
