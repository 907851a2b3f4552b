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
    func unpack(into directory: String, keepingOwners: Bool, strip: UInt32 = 0) async throws {
        var rules = LayerUnpacker.Rules()
        (rules.hasWhiteouts, rules.keepsOwners, rules.strip) = (false, keepingOwners, Int(strip))
        do {
            // The step's disk limit is the limit of what it unpacks to.
            _ = try await read { [rules] archive in
                try LayerUnpacker(root: directory, rules: rules).unpack(archive, limit: UInt64(Int64.max))
            }
        } catch let error as OCIError {
            throw BuildError(.path, "unpack '\(path)': \(error)")
        }
    }

    private func read(_ body: @escaping @Sendable (CInt) throws -> BlobDigest) async throws -> BlobDigest {
        let file = try OwnedFD.open(path, O_RDONLY)
        guard let name = try Self.program(of: file) else { return try await Compression(of: file).read(path, body) }
        guard let program = Executable.find(name) else {
            throw BuildError(.path, "unpack '\(path)': \(name) is not installed; install it: apt-get install \(name)-utils")
        }
        var spawn = Spawn(program, ["-d", "-c", "-q"])
        spawn.descriptors = [file.number, -1, -1]
        let (digest, status) = try await PipedCommand(spawn).read { try body($0.number) }
        guard status.isSuccess else { throw BuildError(.path, "unpack '\(path)': \(name) ended with \(status)") }
        return digest
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
