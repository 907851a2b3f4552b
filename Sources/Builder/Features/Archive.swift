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
        let size = opened.size
        return try await Compression(of: opened.descriptor).read(opened.descriptor.duplicate(), path) { try body($0, size) }
    }
}
