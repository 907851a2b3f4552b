import Glibc
public import Layers
import Linux
import OCI

/// Where an image is exported to.
public enum ExportTarget: Sendable {
    case layout(String, name: String?)
    case dockerArchive(String)

    /// From `oci:DIR[:TAG]` or `docker-archive:FILE`.
    public init(_ text: String) throws {
        switch try? ImageSource(text) {
        case .layout(let path, let name): self = .layout(path, name: name)
        case .dockerArchive(let path): self = .dockerArchive(path)
        default:
            throw RegistryError(.invalid, "'\(text)' is nothing to export to: write oci:DIR[:TAG] or docker-archive:FILE")
        }
    }
}

/// Writes an image of a pool as an OCI image that other programs run. Equal images give equal bytes.
public struct ImageExport: Sendable {
    let pool: Pool
    let report: @Sendable (TransferEvent) -> Void

    public init(_ pool: Pool, report: @escaping @Sendable (TransferEvent) -> Void) {
        self.pool = pool
        self.report = report
    }

    private struct Written: Sendable {
        let descriptor: Descriptor
        let diffID: BlobDigest
        let label: String
    }

    public func run(_ layer: Layer, to target: ExportTarget, name: String) async throws {
        switch target {
        case .layout(let path, let tag):
            let layout = try Layout(creating: path)
            let manifest = try await write(layer, to: layout, .gzip)
            try layout.name(manifest, tag ?? "latest")
        case .dockerArchive(let path):
            let pool = pool
            let scratch = try await blocking { try StagingDirectory(in: pool) }
            let layout = try Layout(creating: "\(scratch.path)/layout")
            let manifest = try await write(layer, to: layout, .none)
            try await blocking { try Self.pack(layout, manifest, name, to: path) }
        }
    }

    private func write(_ top: Layer, to layout: Layout, _ compression: Compression) async throws -> Descriptor {
        let pool = pool
        let stack = try Array(pool.stack(top.id).reversed())
        if let missing = stack[0].parent {
            throw PoolError(
                .damaged, "the layer \(missing.short) below the image is not in the pool; build or pull the image again")
        }
        report(.expecting(bytes: UInt64(stack.reduce(Int64(0)) { $0.saturatingAdd(max(0, $1.size)) })))
        var written: [Written] = []
        for (index, layer) in stack.enumerated() {
            let packer = try await blocking { try LayerPacker(layer.id, parent: index > 0 ? stack[index - 1].id : nil, in: pool) }
            if packer.isEmpty { continue }
            report(.step("write layer \(index + 1) of \(stack.count), \(layer.label)"))
            let unfinished = layout.unfinishedPath()
            defer { unlink(unfinished) }
            let diffID = try await compression.write(to: unfinished) { try packer.write(to: $0) }
            let descriptor = try await blocking {
                let digest = try BlobDigest(
                    "sha256:" + hexadecimal(ContentHash.file(OwnedFD.open(unfinished, O_RDONLY), unfinished)))
                var status = stat()
                try retryingInterrupts("read", unfinished) { stat(unfinished, &status) }
                try retryingInterrupts("rename", unfinished) { rename(unfinished, layout.path(of: digest)) }
                return Descriptor(
                    mediaType: compression == .gzip ? MediaType.gzipLayer : MediaType.layer, digest: digest,
                    size: UInt64(status.st_size))
            }
            written.append(Written(descriptor: descriptor, diffID: diffID, label: layer.label))
        }
        let root = pool.root(of: top.id)
        let configuration = try ImageConfiguration.read(root: root)
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        let hasInit = ["sbin/init", "usr/sbin/init"].contains { directory.contains($0) }
        let config = ImageConfig(configuration, layers: written.map { ($0.diffID, $0.label) }, hasInit: hasInit)
        let manifest = Manifest(
            config: try layout.add(OCIJSON.encode(config), mediaType: MediaType.config), layers: written.map(\.descriptor))
        return try layout.add(OCIJSON.encode(manifest), mediaType: MediaType.manifest)
    }

    /// An archive as `docker save` has it, from a layout whose layers aren't compressed.
    private static func pack(_ layout: Layout, _ descriptor: Descriptor, _ name: String, to path: String) throws {
        let manifest = try Manifest.read(layout.read(descriptor), "the manifest")
        let layers = manifest.layers.map { (name: "\($0.digest.hex).tar", digest: $0.digest) }
        let entry = DockerArchive.Entry(
            Config: "\(manifest.config.digest.hex).json", RepoTags: [dockerName(name)], Layers: layers.map(\.name))
        var members = layers.map { ($0.name, layout.path(of: $0.digest)) }
        members.append((entry.Config, layout.path(of: manifest.config.digest)))
        try OutputFile.write(path) { number in
            try ArchiveMembers.write(members, and: ["manifest.json": try OCIJSON.encode([entry])], to: number)
        }
    }

    /// A name as Docker allows it: `//web:app` becomes `web:app`.
    static func dockerName(_ name: String) -> String {
        let parts = name.lowercased().split(separator: ":", maxSplits: 1).map { part in
            String(part.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "._-/".contains($0)) }.drop { "/._-".contains($0) })
        }
        let repository = parts.first.flatMap { $0.isEmpty ? nil : $0 } ?? "image"
        guard parts.count == 2, !parts[1].isEmpty, !parts[1].contains("/") else { return "\(repository):latest" }
        return "\(repository):\(parts[1])"
    }
}
