import Glibc
import Linux
import OCI

/// What `docker save` writes: a tar archive with `manifest.json`, which names the config and the layers as files in it.
struct DockerArchive: Sendable {
    struct Entry: Codable, Sendable {
        var Config: String
        var RepoTags: [String]?
        var Layers: [String]
    }

    /// - Parameters:
    ///   - path: the archive, perhaps compressed.
    ///   - directory: an empty one, for what is in it.
    ///   - limit: the most bytes it may unpack to.
    static func open(_ path: String, into directory: String, limit: UInt64) async throws -> FoundImage {
        let file = try BlobFile(path)
        let compression = try Compression(of: file.descriptor)
        let limit = ArchiveLimits(stored: file.size, room: limit).bytes
        // Names in it are looked up in this list, never on disk.
        let members = try await compression.read(path) { try ArchiveMembers.extract($0, into: directory, limit: limit) }
        func read(_ name: String) throws -> [UInt8] {
            guard let file = members.file(name) else { throw OCIError(.damaged, "there is no '\(name)' in '\(path)'") }
            guard file.size <= OCIJSON.limit else { throw OCIError(.damaged, "'\(name)' in '\(path)' is too large") }
            return try Files.read(file.path)
        }
        let entries = try OCIJSON.decode([Entry].self, read("manifest.json"), "manifest.json in '\(path)'")
        guard let entry = entries.first, entries.count == 1 else {
            throw OCIError(.notFound, "'\(path)' has \(entries.count) images; save one at a time")
        }
        let config = try OCIJSON.decode(
            ImageConfig.self, read(entry.Config), "'\(entry.Config)' in '\(path)'", limit: OCIJSON.configLimit)
        guard config.rootfs.diff_ids.count == entry.Layers.count else {
            throw OCIError(
                .damaged, "'\(path)' has \(entry.Layers.count) layers and \(config.rootfs.diff_ids.count) digests of them")
        }
        let layers = try zip(entry.Layers, config.rootfs.diff_ids).map { name, digest in
            guard let file = members.file(name) else { throw OCIError(.damaged, "there is no '\(name)' in '\(path)'") }
            return FoundImage.Layer(
                descriptor: Descriptor(mediaType: MediaType.layer, digest: digest, size: file.size),
                fetch: { _ in try FetchedBlob(file.path) },
                isCached: false)
        }
        return FoundImage(config: config, layers: layers, name: entry.RepoTags?.first, digest: nil)
    }
}
