import Btrfs
import Glibc
import Linux

extension Pool {
    /// The root file system of a layer.
    public func root(of id: LayerID) -> String { "\(layers)/\(id.hex)/rootfs" }

    /// The layer with an id; nil when the pool hasn't got it.
    public func layer(_ id: LayerID) throws -> Layer? {
        try hold(id)
        return try read(id)
    }

    private func read(_ id: LayerID) throws -> Layer? {
        let path = "\(layers)/\(id.hex)/layer.json"
        guard Files.exists(path) else { return nil }
        do {
            return try StateFile.read(Layer.self, path)
        } catch let error as PoolError {
            throw PoolError(error.code, "\(error.description); put it right: dish pool repair \(self.path)")
        }
    }

    /// All layers, oldest first.
    public func allLayers() throws -> [Layer] {
        try Files.list(layers).compactMap { LayerID($0) }.compactMap { try read($0) }
            .sorted { ($0.created, $0.id.hex) < ($1.created, $1.id.hex) }
    }

    /// A layer and those below it, the base last.
    public func stack(_ id: LayerID) throws -> [Layer] {
        var stack: [Layer] = []
        var next: LayerID? = id
        while let current = next, let layer = try layer(current), stack.count < 1000 {
            stack.append(layer)
            next = layer.parent
        }
        return stack
    }

    /// Publishes a finished tree as a layer: read-only, on disk, then renamed into place in one step.
    ///
    /// The staged root becomes the layer's, unless the pool has the layer already: then it stays in
    /// staging, and what is there is returned.
    ///
    /// - Parameters:
    ///   - packages: the layer it was made from, if that wasn't the parent.
    ///   - created: when it was built, in seconds since 1970; nil for now.
    ///   - isSynced: whether all content of the root is on disk, as it is once `tree(of:parent:)` has compared it with a parent.
    ///   - id: its id where that is one of an earlier version of the format; nil for the tree's.
    ///   - commits: whether its place in `layers` is on disk on return, or the caller commits the file system.
    public func publish(
        _ staged: StagingDirectory, tree: Tree, parent: LayerID?, packages: LayerID? = nil, label: String, created: Int64? = nil,
        id: LayerID? = nil, isSynced: Bool = false, commits: Bool = true
    ) throws -> Layer {
        let uuid = try Subvolume.info(staged.root).uuid
        // It is made anew where it is missing or damaged.
        let (digest, _) = try concurrently(
            { TreeDigest(tree) }, { try storeTree(tree, subvolume: uuid, in: staged.path, groups: [], durable: false) })
        let id = id ?? digest.id
        try hold(id)
        if let existing = try layer(id) { return existing }
        let layer = Layer(
            id: id, parent: parent, label: Layer.label(label), created: created ?? Int64(time(nil)),
            entries: digest.entries, size: digest.size, packages: packages)
        let entry = "\(staged.path)/layer"
        try Files.makeDirectories(entry, mode: 0o700)
        try StateFile.writeWithCopy(layer, "\(entry)/layer.json", syncsName: false)
        // Before it is read-only: a read-only subvolume can't be moved, only the directory it is in.
        try removeProtection(of: staged.root)
        try retryingInterrupts("move", staged.root) { rename(staged.root, "\(entry)/rootfs") }
        let stored = Self.place(in: staged.path)
        if Subvolume.exists(stored) { try retryingInterrupts("move", stored) { rename(stored, Self.place(in: entry)) } }
        try StateFile.write(tree.fileCapabilities, "\(entry)/\(Self.fileCapabilities)", durable: false)
        try Subvolume.makeReadOnly("\(entry)/rootfs")
        let filesystem = try filesystem()
        let isRewritten = try giveChecksums(in: "\(entry)/rootfs", parent: packages ?? parent)
        // The kernel has committed the flag, and all before it, already: there is little left to wait for.
        if isSynced, !isRewritten { try filesystem.commit() } else { try filesystem.sync() }
        // Content that is written out counts as a change, even then.
        try notePublished(entry)
        let target = "\(layers)/\(id.hex)"
        guard rename(entry, target) == 0 else {
            let code = errno
            // Another build published the same tree meanwhile.
            if code == EEXIST || code == ENOTEMPTY, let existing = try self.layer(id) { return existing }
            // What was removed without a place for it, and only in part.
            if code == EEXIST || code == ENOTEMPTY {
                try removeInPlace(id)
                if rename(entry, target) == 0 { return layer }
            }
            throw SystemError("publish layer", target, code: code)
        }
        if commits { try Files.syncDirectory(layers) }
        return layer
    }

    /// Takes a name away from an image, and the image with its last one; or removes the layer that an id stands for.
    ///
    /// - Returns: the names by which the image stays; empty when it is removed.
    /// - Throws: `PoolError` `.inUse` naming what needs the layer, or the names of one that was given by its id and has several.
    public func removeImage(_ reference: String) throws -> [String] {
        let id = try resolve(reference).id
        let names = try allNames().filter { $0.value == id }.keys.sorted()
        let others = names.filter { $0 != reference }
        if names.contains(reference), !others.isEmpty {
            try removeName(reference)
            return others
        }
        guard names.count < 2 || names.contains(reference) else {
            throw PoolError(
                .inUse,
                "layer \(id.short) is called \(names.joined(separator: ", ")); remove those names: dish image rm \(names[0])")
        }
        try remove(id)
        return []
    }

    /// Removes a layer that nothing needs, and the one that holds its packages when no other was made from that.
    ///
    /// - Throws: `PoolError` `.inUse` naming the layers and tasks that need it.
    public func remove(_ id: LayerID) throws {
        let staged = try placeToRemove()
        // The lock itself may be missing.
        try freeing { try whileLayersStay {} }
        let layers = try whileLayersStay {
            let layers = try allLayers()
            let children = layers.filter { $0.parent == id }.map { "layer \($0.id.short) (\($0.label))" }
            let tasks = try allTasks().filter { $0.layer == id }.map { "task \($0.name)" }
            let users = children + tasks
            guard users.isEmpty else {
                throw PoolError(.inUse, "layer \(id.short) is in use by \(users.joined(separator: ", ")); remove those first")
            }
            guard try !heldLayers().contains(id) else {
                throw PoolError(
                    .inUse, "layer \(id.short) is in use by a pull, an import or a build that is running; wait for its end")
            }
            if let purpose = try keptLayers()[id] {
                throw PoolError(.inUse, "layer \(id.short) is kept for \(purpose); remove that first")
            }
            for name in try allNames() where name.value == id { try removeName(name.key) }
            if let staged, rename("\(self.layers)/\(id.hex)", "\(staged.path)/layer") == 0 { return layers }
            if staged != nil, errno != ENOENT, errno != ENOSPC { throw SystemError("remove layer", id.hex) }
            try removeInPlace(id)
            return layers
        }
        try filesystem().startCommit()
        guard let packages = layers.first(where: { $0.id == id })?.packages,
            let holder = layers.first(where: { $0.id == packages }), holder.isForPackages,
            !layers.contains(where: { $0.id != id && ($0.packages == packages || $0.parent == packages) }),
            // An image that is nothing but its packages has the same layer.
            try !allNames().values.contains(packages)
        else { return }
        try? remove(packages)
    }

    /// Takes away what there always is room to take away. Without its record it is no layer any more; what a kill leaves of it
    /// makes way when the same layer comes again.
    private func removeInPlace(_ id: LayerID) throws {
        let directory = "\(layers)/\(id.hex)"
        guard Files.exists(directory) else { return }
        guard unlink("\(directory)/layer.json") == 0 || errno == ENOENT else { throw SystemError("remove layer", id.hex) }
        try freeing { try StagingDirectory.removeAll(directory) }
    }
}
