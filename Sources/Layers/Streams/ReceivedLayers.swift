import Btrfs
import FoundationEssentials
import Glibc
import Linux
public import SendStream

extension Pool {
    /// Makes a layer from one stream: applies it in staging, and publishes what came out only if its digest is the layer's id.
    /// A layer that is there already is returned, and nothing is read.
    ///
    /// - Parameters:
    ///   - budget: that of all streams that come with it.
    ///   - progress: called with the bytes of the stream that were used so far.
    /// - Throws: `StreamError` for a damaged or hostile stream, `PoolError` `.unknownImage` when what it is against isn't here,
    ///   `.damaged` when something else came out and `.full`, `SystemError`. Nothing is left then.
    public func receive<Source: ByteSource>(
        _ source: Source, _ description: LayerDescription, budget: ReceiveBudget = ReceiveBudget(),
        progress: ((UInt64) -> Void)? = nil
    ) throws -> Layer {
        if let existing = try layer(description.id) { return existing }
        var reader = StreamReader(source)
        let first = try StreamHead.read(&reader)
        return try receive(&reader, first, description, isAlone: true, budget, progress)
    }

    /// Layers of one image file; others have 127 at most.
    private static var mostLayers: Int { 500 }

    /// Makes all layers of an image file, as `writeImage` wrote it. Layers that are here already are skipped.
    ///
    /// - Parameters:
    ///   - names: what they are called.
    ///   - check: throws for a name that they may not have.
    /// - Returns: the layers in the file's order, the image itself last.
    public func receiveImage<Source: ByteSource>(
        _ source: Source, names: ReceivedNames, check: (String) throws -> Void = { _ in }, progress: ((UInt64) -> Void)? = nil
    ) throws -> [Layer] {
        try withoutActuallyEscaping(check) { check in
            try receiveImage(source, ReceivedNaming(names: names, check: check), progress)
        }
    }

    private func receiveImage<Source: ByteSource>(
        _ source: Source, _ naming: ReceivedNaming, _ progress: ((UInt64) -> Void)?
    ) throws -> [Layer] {
        var reader = StreamReader(source)
        var layers: [Layer] = []
        let budget = ReceiveBudget()
        var made: Set<LayerID> = []
        while let head = try StreamHead.readIfMore(&reader) {
            guard let note = head.note, let description = try? JSONDecoder().decode(LayerDescription.self, from: Data(note))
            else {
                throw StreamError(
                    .invalidValue, at: head.offset,
                    "the stream doesn't say which layer it is; it wasn't written by 'dish image send'")
            }
            guard layers.count < Self.mostLayers else {
                throw StreamError(
                    .refused, at: head.offset, "the image has more than \(Self.mostLayers) layers, which are taken at most")
            }
            try naming.require(description, in: self)
            if let existing = try layer(description.id) {
                try reader.skipStream()
                layers.append(existing)
            } else {
                // What the file itself has made is measured by the bytes that it came in.
                let isBaseOwn = description.base.map(made.contains) ?? false
                layers.append(
                    try receive(&reader, head, description, isAlone: false, budget, isBaseOwn: isBaseOwn, progress))
                made.insert(description.id)
            }
            try naming.give(to: description, in: self)
        }
        try naming.give(to: layers.last?.id, in: self)
        return layers
    }

    /// Applies a stream after its first command, to its end.
    ///
    /// - Parameter isAlone: whether the source must end there too.
    private func receive<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, _ head: StreamHead, _ description: LayerDescription, isAlone: Bool,
        _ budget: ReceiveBudget, isBaseOwn: Bool = false, _ progress: ((UInt64) -> Void)?
    ) throws -> Layer {
        guard head.uuid == description.id.streamUUID, head.source == description.base?.streamUUID else {
            throw StreamError(
                .refused, at: head.offset,
                "it isn't the stream of layer \(description.id.short) against \(description.base?.short ?? "nothing")")
        }
        do {
            return try make(&reader, head, description, isAlone: isAlone, budget, isBaseOwn: isBaseOwn, progress)
        } catch let error as SystemError where error.code == ENOSPC || error.code == EDQUOT {
            throw PoolError(
                .full,
                "make the layer \(description.id.short): \(error): the pool at '\(path)' is full; make room (dish image gc, dish rm), then do it again"
            )
        }
    }

    private func make<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, _ head: StreamHead, _ description: LayerDescription, isAlone: Bool,
        _ budget: ReceiveBudget, isBaseOwn: Bool = false, _ progress: ((UInt64) -> Void)?
    ) throws -> Layer {
        // From here on it learns of writes that fail when nobody waits for them.
        let filesystem = try filesystem()
        let staged = try StagingDirectory(in: self)
        var sources: [SubvolumeUUID: TreeApplier.CloneSource] = [:]
        if let base = description.base {
            guard try layer(base) != nil else {
                throw PoolError(
                    .unknownImage,
                    "layer \(description.id.short) comes as its difference from layer \(base.short), which isn't in the pool at '\(path)'; receive that one first"
                )
            }
            try Subvolume.snapshot(root(of: base), to: staged.root)
            sources[base.streamUUID] = .init(try OwnedFD.open(root(of: base), O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
            if !isBaseOwn { budget.allowClones { try self.bytesOnDisk(of: self.tree(of: base), root: self.root(of: base)) } }
        } else {
            try Subvolume.create(staged.root)
        }
        let root = try OwnedFD.open(staged.root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let written = WrittenContent()
        let applier = try StreamApplier(
            root, uuid: head.uuid, sources: sources, budget: budget, witness: written.witness)
        // Before the staging directory is removed.
        defer { applier.stop() }
        try apply(&reader, to: applier, budget, progress)
        let isMore: Bool? = isAlone ? try reader.next { _, _ in true } : nil
        guard isMore == nil else {
            throw StreamError(.trailingBytes, at: reader.offset, "another stream follows the layer's")
        }
        let tree = try finishedTree(of: staged, base: description.base, written) { try filesystem.sync() }
        guard try tree.hasID(description.id, root: staged.root, budget: budget) else {
            throw PoolError(
                .damaged,
                "what came of the stream is layer \(TreeDigest(tree).id.short), not \(description.id.short): the stream is damaged"
            )
        }
        return try publish(
            staged, tree: tree, parent: description.parent, label: description.label, created: description.created,
            id: description.id)
    }

    private func apply<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, to applier: StreamApplier, _ budget: ReceiveBudget,
        _ progress: ((UInt64) -> Void)?
    ) throws {
        var isDone = false
        while !isDone {
            let offset = reader.offset
            let isEnd = try reader.next { command, data in
                try applier.apply(command, data, at: offset)
                return command == .end
            }
            isDone = isEnd ?? true
            budget.receive(reader.offset - offset)
            progress?(reader.offset)
        }
    }

    /// The tree of what was applied, on the disk by then. Names and all that belongs to them are read from the file system, of what
    /// is against a base only what changed.
    func finishedTree(
        of staged: StagingDirectory, base: LayerID?, _ written: WrittenContent, sync: @escaping @Sendable () throws -> Void
    ) throws -> Tree {
        if let base {
            let source = try tree(of: base)
            try sync()
            return try Tree(ofSnapshot: staged.root, of: TreeIndex(source), written: written)
        }
        // Everything goes to the disk meanwhile.
        return try concurrently({ try Tree(of: staged.root, written: written) }, sync).0
    }
}

extension Pool {
    /// Bytes on disk of a tree's files: those of clones count each time, never more in all than the pool holds.
    func bytesOnDisk(of tree: Tree, root: String) throws -> UInt64 {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let paths = TreePaths(tree)
        var known: Set<UInt64> = []
        var total: UInt64 = 0
        for index in tree.nodes.indices {
            guard let size = tree.nodes.content(index)?.size, size > 0,
                !tree.nodes.isLinked(index) || known.insert(tree.nodes.inode(index)).inserted
            else { continue }
            var bytes = size
            // Smaller ones hide nothing that matters.
            if size >= FileDigest.smallestSparse {
                var status = stat()
                let path = paths.path(index)
                let file = try TreeReader.openFile(path, below: directory.number)
                let number = file.number
                try retryingInterrupts("stat", text(path)) { fstat(number, &status) }
                bytes = min(size, UInt64(max(0, status.st_blocks)) * 512)
            }
            total = total.saturatingAdd(bytes)
        }
        return min(total, try filesystem().space().dataUsed)
    }
}
