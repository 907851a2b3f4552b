import Glibc
import Linux
import OCI

/// A tar archive, perhaps compressed.
struct Archive: Sendable {
    let path: String

    init(_ path: String) {
        self.path = path
    }

    /// Unpacks into an empty directory, by descriptor: no name and no link leads out of it.
    ///
    /// - Parameter keepingOwners: whether numeric owners are kept; else all of it belongs to root.
    /// - Returns: device nodes that weren't taken.
    func unpack(into directory: String, keepingOwners: Bool, strip: UInt32 = 0) async throws -> LeftOutNodes {
        var rules = LayerUnpacker.Rules()
        (rules.hasWhiteouts, rules.keepsOwners, rules.strip) = (false, keepingOwners, Int(strip))
        do {
            // The step's disk limit is the limit of what it unpacks to.
            return try await read { [rules] archive, size in
                let unpacker = try LayerUnpacker(root: directory, rules: rules)
                _ = try unpacker.unpack(archive, ArchiveLimits(stored: size, room: UInt64(Int64.max)))
                return unpacker.leftOut
            }
        } catch let error as OCIError {
            throw BuildError(.path, "unpack '\(path)': \(error)")
        }
    }

    private func read(
        _ body: @escaping @Sendable (_ archive: CInt, _ size: UInt64) throws -> LeftOutNodes
    ) async throws -> LeftOutNodes {
        let opened = try BlobFile(path)
        let file = try opened.descriptor.duplicate()
        let size = opened.size
        guard let name = try Self.program(of: file) else {
            return try await Compression(of: file).read(path) { try body($0, size) }
        }
        guard let program = Executable.find(name) else {
            throw BuildError(.path, "unpack '\(path)': \(name) is not installed; install it: apt-get install \(name)-utils")
        }
        // xz(1) -9 needs 65 MiB; a header may ask for four gigabytes.
        let reader = Compression.decompressor(
            program, ["-d", "-c", "-q"] + (name == "xz" ? ["--threads=1", "--memlimit-decompress=100MiB"] : []))
        let (leftOut, status) = try await reader.read(file.number) { try body($0.number, size) }
        guard status.isSuccess else { throw BuildError(.path, "unpack '\(path)': \(name) ended with \(status)") }
        return leftOut
    }

    /// What decompresses the formats that images don't have; nil for all others.
    private static func program(of file: borrowing OwnedFD) throws -> String? {
        var bytes = [UInt8](repeating: 0, count: 6)
        let number = file.number
        let count = try retryingInterrupts("read", "archive") { pread(number, &bytes, bytes.count, 0) }
        let start = bytes.prefix(count)
        if start.elementsEqual([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]) { return "xz" }
        return start.starts(with: "BZh".utf8) ? "bzip2" : nil
    }
}
