import Btrfs
import Glibc
public import Linux
public import SendStream

/// The result of streams, or of a tree, that no layer's description came with.
public struct ImportedTree: Sendable {
    /// The last layer, which is the image.
    public let layer: Layer
    /// Device nodes that weren't taken.
    public let leftOut: LeftOutNodes
    /// The number of layers that were made, and not here before.
    public let made: Int

    public init(layer: Layer, leftOut: LeftOutNodes, made: Int) {
        self.layer = layer
        self.leftOut = leftOut
        self.made = made
    }
}

extension Pool {
    /// Makes layers of what `btrfs send` wrote: one for each stream in the source, each below it the one that it is against.
    ///
    /// The kernel's streams don't say what must come out, so nothing checks that but the streams' own checksums.
    ///
    /// - Parameter progress: called with the bytes that were used so far.
    /// - Throws: `StreamError` for a damaged or hostile stream, `PoolError` `.unknownImage` when what it is against was never imported,
    ///   `.full`, `SystemError`. Of the stream in question nothing is left then.
    public func importStreams<Source: ByteSource>(_ source: Source, progress: ((UInt64) -> Void)? = nil) throws -> ImportedTree {
        var reader = StreamReader(source)
        let budget = ReceiveBudget()
        var (layers, made, leftOut): ([Layer], Int, Set<[UInt8]>) = ([], 0, [])
        while let head = try StreamHead.readIfMore(&reader) {
            guard layers.count < Self.mostStreams else {
                throw StreamError(.refused, at: head.offset, "more than \(Self.mostStreams) streams, which are taken at most")
            }
            do {
                let isOwn = try findSource(of: head).map { found in layers.contains { $0.id == found.layer } } ?? false
                let result = try importStream(&reader, head, budget, isBaseOwn: isOwn, progress)
                layers.append(result.layer)
                leftOut = result.leftOut
                if result.isNew { made += 1 }
            } catch let error as SystemError where error.code == ENOSPC || error.code == EDQUOT {
                throw PoolError(
                    .full,
                    "make a layer of the subvolume '\(head.name)': \(error): the pool at '\(path)' is full; make room (dish image gc, dish rm), then do it again"
                )
            }
        }
        guard let top = layers.last else { throw StreamError(.truncated, at: 0, "there is nothing to import") }
        return ImportedTree(layer: top, leftOut: LeftOutNodes(leftOut), made: made)
    }

    private static var mostStreams: Int { 500 }

    private func importStream<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, _ head: StreamHead, _ budget: ReceiveBudget, isBaseOwn: Bool,
        _ progress: ((UInt64) -> Void)?
    ) throws -> (layer: Layer, leftOut: Set<[UInt8]>, isNew: Bool) {
        let filesystem = try filesystem()
        let base = try findSource(of: head)
        if let source = head.source, base == nil {
            throw PoolError(
                .unknownImage,
                "the subvolume '\(head.name)' comes as its difference from the subvolume \(source), which wasn't imported into the pool at '\(path)'; import that one first, or send '\(head.name)' whole"
            )
        }
        let staged = try StagingDirectory(in: self)
        var sources: [SubvolumeUUID: TreeApplier.CloneSource] = [:]
        if let base, let source = head.source {
            try Subvolume.snapshot(root(of: base.layer), to: staged.root)
            sources[source] = try cloneSource(base.layer)
            if !isBaseOwn {
                budget.allowClones { try self.bytesOnDisk(of: self.tree(of: base.layer), root: self.root(of: base.layer)) }
            }
        } else {
            try Subvolume.create(staged.root)
        }
        let root = try OwnedFD.open(staged.root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let written = WrittenContent()
        let applier = try StreamApplier(
            root, uuid: head.uuid, sources: sources, budget: budget, witness: written.witness,
            // `btrfs send -c`: any subvolume that was imported.
            findSource: { try self.find($0, 0, exactly: false).map { try self.cloneSource($0.layer) } })
        // Before the staging directory is removed.
        defer { applier.stop() }
        var stream = KernelStream(head, budget, base: base?.subvolume)
        try stream.apply(&reader, to: applier, progress)
        let tree = try finishedTree(of: staged, base: base?.layer, written) { try filesystem.sync() }
        try tree.requireExportable()
        let isNew = try self.layer(TreeDigest(tree).id) == nil
        let layer = try publish(staged, tree: tree, parent: base?.layer, label: "subvolume \(head.name)")
        try remember(KernelSubvolume(head, leftOut: stream.leftOut), as: layer.id)
        return (layer, stream.leftOut, isNew)
    }

    private func cloneSource(_ layer: LayerID) throws -> TreeApplier.CloneSource {
        .init(try OwnedFD.open(root(of: layer), O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    }

    // MARK: What streams are against

    /// Subvolumes that a layer was made of, the latest last.
    private func record(ofSubvolumes layer: LayerID) -> String { "\(layers)/\(layer.hex)/subvolumes.json" }

    private static var mostSubvolumes: Int { 64 }

    private func remember(_ subvolume: KernelSubvolume, as layer: LayerID) throws {
        let path = record(ofSubvolumes: layer)
        var known = Files.exists(path) ? try StateFile.read([KernelSubvolume].self, path) : []
        known.removeAll { $0.uuid == subvolume.uuid && $0.transaction == subvolume.transaction }
        known.append(subvolume)
        try StateFile.write(Array(known.suffix(Self.mostSubvolumes)), path)
        for exactly in [true, false] {
            try record(action: Self.action(subvolume.uuid, exactly ? subvolume.transaction : nil), made: layer)
        }
    }

    private static func action(_ uuid: String, _ transaction: UInt64?) -> String {
        hexadecimal(ContentHash.bytes("dish.subvolume.1 \(uuid) \(transaction.map { "\($0)" } ?? "-")".utf8))
    }

    private func find(
        _ uuid: SubvolumeUUID, _ transaction: UInt64, exactly: Bool
    ) throws -> (layer: LayerID, subvolume: KernelSubvolume)? {
        guard let layer = try result(ofAction: Self.action(uuid.description, exactly ? transaction : nil)) else { return nil }
        let path = record(ofSubvolumes: layer)
        let known = Files.exists(path) ? try StateFile.read([KernelSubvolume].self, path) : []
        let found = known.last { $0.uuid == uuid.description && (!exactly || $0.transaction == transaction) }
        return found.map { (layer, $0) }
    }

    /// The layer that a stream is against. A sender that has received it itself knows it by another transaction, so that the UUID
    /// decides where nothing fits exactly, as it does for `btrfs receive`.
    private func findSource(of head: StreamHead) throws -> (layer: LayerID, subvolume: KernelSubvolume)? {
        guard let source = head.source else { return nil }
        return try find(source, head.sourceTransaction, exactly: true) ?? find(source, head.sourceTransaction, exactly: false)
    }
}

extension Tree {
    /// Checks that it has no name that means a removal in the layer of an image: what is imported can be exported.
    ///
    /// - Throws: `PoolError` `.invalid`.
    func requireExportable() throws {
        let whiteout = Array(".wh.".utf8)
        guard let index = nodes.indices.first(where: { nodes.withName($0) { $0.starts(with: whiteout) } }) else { return }
        throw PoolError(
            .invalid,
            "'\(text(TreePaths(self).path(index)))' can't be in an image: names with .wh. at their beginning mean removals in layers; remove it, or call it something else"
        )
    }
}
