import Btrfs
import Glibc
public import Layers
import Linux
import OCI

/// Takes an OCI image into a pool: one layer for each of its, and one more for what it says of its tasks.
public struct ImageImport: Sendable {
    let pool: Pool
    let options: RegistryOptions
    let policy: SignaturePolicy
    let report: @Sendable (TransferEvent) -> Void

    public init(
        _ pool: Pool, _ options: RegistryOptions, policy: SignaturePolicy, report: @escaping @Sendable (TransferEvent) -> Void
    ) {
        self.pool = pool
        self.options = options
        self.policy = policy
        self.report = report
    }

    /// - Parameter name: what it is called in the pool; nil for its own name.
    /// - Returns: the image's layer and its name.
    public func run(_ source: ImageSource, name: String?) async throws -> (layer: Layer, name: String) {
        let pool = pool
        try await blocking { try pool.cleanStaging() }
        let cache = try BlobCache(pool)
        // What an archive unpacks to; it goes with this value.
        let scratch = try await blocking { try StagingDirectory(in: pool) }
        let image: FoundImage
        switch source {
        case .registry(let reference):
            let remote = Remote(reference, options)
            let pinned = try await policy.check(reference, at: reference.manifestReference, in: remote)
            image = try await .find(pinned ?? reference.manifestReference, in: remote, cache, name: reference.description)
        case .layout(let path, let tag):
            let layout = try Layout(at: path)
            let descriptor = try layout.find(tag)
            let repository = try LayoutRepository(path, creating: false)
            image = try await .find(
                descriptor.digest.description, in: repository, cache,
                name: descriptor.annotations?[Descriptor.nameAnnotation] ?? Files.name(of: path))
        case .dockerArchive(let path):
            image = try await DockerArchive.open(path, into: scratch.path, limit: limit())
        }
        guard let called = name ?? image.name else {
            throw RegistryError(.invalid, "the image in \(source) has no name; give it one: --name NAME")
        }
        let layer = try await take(image, called, cache)
        try pool.name(called, layer.id)
        return (layer, called)
    }

    private func take(_ image: FoundImage, _ name: String, _ cache: BlobCache) async throws -> Layer {
        let digests = image.config.rootfs.diff_ids
        guard digests.count == image.layers.count else {
            throw RegistryError(.damaged, "the image has \(image.layers.count) layers and \(digests.count) digests of them")
        }
        guard image.config.os == "linux", image.config.architecture == Descriptor.Platform.current.architecture else {
            throw OCIError(
                .notFound,
                "the image is made for \(image.config.os)/\(image.config.architecture), and this host is linux/\(Descriptor.Platform.current.architecture)"
            )
        }
        var top: Layer?
        var known = 0
        while known < digests.count, let id = try pool.result(ofAction: action("layer", digests[known].description, on: top)),
            let layer = try pool.layer(id)
        {
            top = layer
            known += 1
        }
        if known > 0 { report(.step("\(known) of \(digests.count) layers are here already")) }
        let (rest, first) = (Array(image.layers[known...]), known)
        report(.expecting(bytes: rest.reduce(0) { $0 + $1.descriptor.size }))
        let report = report
        try await Pipeline.run(rest.count, fetch: { try await rest[$0].fetch { report(.transferred(bytes: $0)) } }) {
            index, path in
            report(.step("unpack layer \(first + index + 1) of \(digests.count)"))
            top = try await unpack(
                path, digests[first + index], on: top, label: "\(name) layer \(first + index + 1) of \(digests.count)")
            if rest[index].isCached { cache.remove(rest[index].descriptor.digest) }
        }
        return try await settle(image.config.configuration, on: top, name)
    }

    /// What came of something on a layer is remembered under this key.
    private func action(_ kind: String, _ what: String, on parent: Layer?) -> String {
        hexadecimal(ContentHash.bytes("dish.oci.1 \(kind) \(parent?.id.hex ?? "-") \(what)".utf8))
    }

    private func unpack(_ path: String, _ digest: BlobDigest, on parent: Layer?, label: String) async throws -> Layer {
        let limit = try limit()
        let compression = try Compression(of: OwnedFD.open(path, O_RDONLY))
        let layer = try await make(on: parent, label: label) { root in
            try await compression.read(path) { descriptor in
                let unpacker = try LayerUnpacker(root: root)
                let found = try unpacker.unpack(descriptor, limit: limit)
                guard found == digest else {
                    throw OCIError(.damaged, "a layer's archive has the digest \(found), and the image's config says \(digest)")
                }
                return unpacker.skipped
            }
        }
        if !layer.skipped.isEmpty { report(.step("devices left out: \(layer.skipped.joined(separator: " "))")) }
        try pool.record(action: action("layer", digest.description, on: parent), made: layer.layer.id)
        return layer.layer
    }

    /// The layer with what the image says of its tasks; the one below when it says nothing.
    private func settle(_ configuration: ImageConfiguration, on parent: Layer?, _ name: String) async throws -> Layer {
        if let parent, configuration == ImageConfiguration() { return parent }
        let content = try configuration.encoded()
        let key = action("settings", hexadecimal(ContentHash.bytes(content)), on: parent)
        if let id = try pool.result(ofAction: key), let layer = try pool.layer(id) { return layer }
        let made = try await make(on: parent, label: "\(name) settings") { root in
            try await blocking {
                try LayerUnpacker.put(content, at: ImageConfiguration.path, root: root)
                return []
            }
        }
        try pool.record(action: key, made: made.layer.id)
        return made.layer
    }

    private func make(
        on parent: Layer?, label: String, _ body: (_ root: String) async throws -> [String]
    ) async throws -> (layer: Layer, skipped: [String]) {
        let pool = pool
        let staged = try await blocking { () -> StagingDirectory in
            let staged = try StagingDirectory(in: pool)
            if let parent {
                try Subvolume.snapshot(pool.root(of: parent.id), to: staged.root)
            } else {
                try Subvolume.create(staged.root)
                // A root that the archive doesn't list is the same on every host.
                try retryingInterrupts("set mode of", staged.root) { chmod(staged.root, 0o755) }
                var none = [timespec(), timespec()]
                try retryingInterrupts("set time of", staged.root) { utimensat(AT_FDCWD, staged.root, &none, 0) }
            }
            return staged
        }
        do {
            let skipped = try await body(staged.root)
            let layer = try await blocking {
                try pool.publish(staged, tree: pool.tree(of: staged, parent: parent?.id), parent: parent?.id, label: label)
            }
            return (layer, skipped)
        } catch let error as SystemError where error.code == ENOSPC || error.code == EDQUOT {
            throw PoolError(
                .full, "\(error): the pool at '\(pool.path)' is full; make room (dish image gc, dish rm), then do it again")
        }
    }

    private func limit() throws -> UInt64 { max(64 << 20, try pool.filesystem().space().available / 10 * 9) }
}
