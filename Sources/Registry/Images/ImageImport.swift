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

    /// - Parameter names: what it is called in the pool; an image of a registry, or of a layout's tag, is called by that where there is
    ///   none. No other name is taken from what isn't asked for by name.
    /// - Returns: the image's layer and its name, if it has one.
    public func run(_ source: ImageSource, names: ReceivedNames = .none) async throws -> (layer: Layer, name: String?) {
        let pool = pool
        if case .name(let name) = names {
            // Before anything is read. What a registry has is looked up for it.
            try Pool.requireName(name)
            if case .registry = source {} else { try policy.checkName(name) }
        }
        try await blocking { try pool.cleanStaging() }
        let cache = try BlobCache(pool)
        // What an archive unpacks to; it goes with this value.
        let scratch = try await blocking { try StagingDirectory(in: pool) }
        defer { withExtendedLifetime(scratch) {} }
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
                name: descriptor.annotations?[Descriptor.nameAnnotation])
        case .dockerArchive(let path):
            image = try await DockerArchive.open(path, into: scratch.path, limit: limit())
        case .tree(let tree):
            let called = try name(nil, from: source, names)
            return try name(await take(tree, called ?? Files.name(of: tree.path)), called, from: source, names)
        }
        let called = try name(image.name, from: source, names)
        return try name(await take(image, called ?? Files.name(of: source.description), cache), called, from: source, names)
    }

    /// Says what of an image no task can use, and gives it its name.
    private func name(
        _ layer: Layer, _ called: String?, from source: ImageSource, _ names: ReceivedNames
    ) throws -> (layer: Layer, name: String?) {
        if let others = try pool.tree(of: layer.id).filesOfOthers() {
            report(.warning("\(others)"))
        }
        guard let called else { return (layer, nil) }
        if case .fromFile(let replacing) = names, source.asked == nil, !replacing { try pool.requireFree(called, for: layer.id) }
        try pool.name(called, layer.id)
        return (layer, called)
    }

    /// - Parameter own: what the image calls itself.
    private func name(_ own: String?, from source: ImageSource, _ names: ReceivedNames) throws -> String? {
        // What a registry has was checked when it was found.
        func checked(_ name: String) throws -> String {
            if case .registry(let reference) = source {
                try policy.checkName(name, of: [reference.description])
            } else {
                try policy.checkName(name)
            }
            return name
        }
        switch names {
        case .name(let name): return try checked(name)
        case .none: return try source.asked.map(checked)
        case .fromFile:
            guard let name = source.asked ?? own else {
                throw RegistryError(.invalid, "the image in \(source) has no name; give it one", settings: ["name"])
            }
            return try checked(name)
        }
    }

    private func take(_ image: FoundImage, _ name: String, _ cache: BlobCache) async throws -> Layer {
        let digests = image.config.rootfs.diff_ids
        guard digests.count == image.layers.count else {
            throw RegistryError(.damaged, "the image has \(image.layers.count) layers and \(digests.count) digests of them")
        }
        try HostProcessor.current.require(image.config.platform, "the image")
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
        // An image may have the same layer several times.
        var uses = Dictionary(rest.map { ($0.descriptor.digest, 1) }, uniquingKeysWith: +)
        try await Pipeline.run(rest.count, fetch: { try await rest[$0].fetch { report(.transferred(bytes: $0)) } }) {
            index, file in
            report(.step("unpack layer \(first + index + 1) of \(digests.count)"))
            let number = "layer \(first + index + 1) of \(digests.count)"
            do {
                top = try await unpack(file, digests[first + index], on: top, label: "\(name) \(number)")
            } catch let error as OCIError {
                throw OCIError(error.code, "\(number) of the image: \(error)")
            }
            let blob = rest[index].descriptor.digest
            uses[blob, default: 1] -= 1
            if rest[index].isCached, uses[blob] == 0 { cache.remove(blob) }
        }
        return try await settle(image.config.configuration, on: top, name)
    }

    /// What came of something on a layer is remembered under this key.
    private func action(_ kind: String, _ what: String, on parent: Layer?) -> String {
        hexadecimal(ContentHash.bytes("dish.oci.1 \(kind) \(parent?.id.hex ?? "-") \(what)".utf8))
    }

    /// - Parameter digest: what the archive must have; nil for any.
    private func unpack(_ file: FetchedBlob, _ digest: BlobDigest?, on parent: Layer?, label: String) async throws -> Layer {
        let limits = ArchiveLimits(stored: file.size, room: try limit())
        let compression = try Compression(of: file.file)
        let layer = try await make(on: parent, label: label) { root in
            try await file.read(compression) { descriptor in
                let unpacker = try LayerUnpacker(root: root)
                let found = try unpacker.unpack(descriptor, limits)
                guard digest == nil || found == digest else {
                    throw OCIError(
                        .damaged,
                        "a layer's archive has the digest \(found), and the image's config says \(digest?.description ?? "")")
                }
                return unpacker.leftOut
            }
        }
        if !layer.leftOut.isEmpty { report(.leftOut(layer.leftOut)) }
        if let digest { try pool.record(action: action("layer", digest.description, on: parent), made: layer.layer.id) }
        return layer.layer
    }

    private func take(_ tree: TreeSource, _ name: String) async throws -> Layer {
        try await TreeImport(pool: pool, report: report).run(tree, label: name) { archive in
            do {
                return try await unpack(archive, nil, on: nil, label: name)
            } catch let error as OCIError {
                throw OCIError(error.code, "unpack '\(tree.path)': \(error)")
            }
        }
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
                return LeftOutNodes()
            }
        }
        try pool.record(action: key, made: made.layer.id)
        return made.layer
    }

    private func make(
        on parent: Layer?, label: String, _ body: (_ root: String) async throws -> LeftOutNodes
    ) async throws -> (layer: Layer, leftOut: LeftOutNodes) {
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
            let leftOut = try await body(staged.root)
            let layer = try await blocking {
                try pool.publish(staged, tree: pool.tree(of: staged, parent: parent?.id), parent: parent?.id, label: label)
            }
            return (layer, leftOut)
        } catch let error as SystemError where error.code == ENOSPC || error.code == EDQUOT {
            throw PoolError(
                .full, "\(error): the pool at '\(pool.path)' is full; make room (dish image gc, dish rm), then do it again")
        }
    }

    private func limit() throws -> UInt64 { max(64 << 20, try pool.filesystem().space().available / 10 * 9) }
}
