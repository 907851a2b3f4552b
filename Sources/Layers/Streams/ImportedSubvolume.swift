import Btrfs
import CLinux
import Glibc
import Linux

extension Pool {
    /// Makes a layer of a subvolume as it is now: a snapshot that shares its data with it. What writes to it goes on.
    ///
    /// - Returns: nil when the subvolume lies on another file system, and has to be copied; and subvolumes inside it, whose content
    ///   isn't in the layer.
    /// - Throws: `PoolError` `.invalid` for what is no subvolume.
    public func importSubvolume(_ path: String, label: String) throws -> (tree: ImportedTree, nested: [String])? {
        guard Subvolume.exists(path) else {
            let advice = Files.isDirectory(path) ? "; import it as a directory: dir:\(path)" : ""
            throw PoolError(.invalid, "'\(path)' is no Btrfs subvolume\(advice)")
        }
        guard try Filesystem(at: path).uuid == filesystem().uuid else { return nil }
        let staged = try StagingDirectory(in: self)
        // What was written must be in the file system's trees before the snapshot.
        try filesystem().sync()
        let source = try Subvolume.info(path).id
        let inside = try filesystem().nestedSubvolumes(in: source)
        let nested = inside.isEmpty ? [] : try filesystem().subvolumes(below: source).map { "/\($0.path)" }
        do {
            try Subvolume.snapshot(path, to: staged.root)
        } catch let error as SystemError where error.code == EXDEV {
            // Of one file system that is mounted twice, older kernels make none.
            return nil
        }
        try removePlaces(of: inside, in: staged.root)
        try filesystem().sync()
        return (try publish(staged, label), nested)
    }

    /// Makes a layer of a copy of a directory: of its own file system alone, without what is mounted on it.
    public func importDirectory(_ path: String, label: String) throws -> ImportedTree {
        guard Files.isDirectory(path) else { throw PoolError(.invalid, "'\(path)' is no directory") }
        let staged = try StagingDirectory(in: self)
        try Subvolume.create(staged.root)
        let opened = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        let number = opened.number
        let mount = OwnedFD(adopting: try retryingInterrupts("open", path) { dish_clone_one_mount(number) })
        // By its own file system: a descriptor of the mount itself can't be listed.
        let source = try mount.open(beneath: ".", O_RDONLY | O_DIRECTORY)
        let target = try OwnedFD.open(staged.root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        do {
            try TreeCopy.copyContents(of: source, to: target) { try Cancellation.check() }
        } catch let error as SystemError where error.code == ENOSPC || error.code == EDQUOT {
            throw PoolError(
                .full,
                "copy '\(path)': \(error): the pool at '\(self.path)' is full; make room (dish image gc, dish rm), then do it again"
            )
        }
        return try publish(staged, label)
    }

    private func publish(_ staged: StagingDirectory, _ label: String) throws -> ImportedTree {
        let tree = try wholeTree(of: staged)
        try tree.requireExportable()
        let isNew = try layer(TreeDigest(tree).id) == nil
        let layer = try publish(staged, tree: tree, parent: nil, label: label)
        return ImportedTree(layer: layer, leftOut: staged.leftOut, made: isNew ? 1 : 0)
    }

    /// A snapshot has empty directories where its source has other subvolumes: of nobody's making, with the time of the snapshot.
    private func removePlaces(of nested: [NestedSubvolume], in root: String) throws {
        let filesystem = try filesystem()
        let id = try Subvolume.info(root).id
        for subvolume in nested {
            // What changed since is as it is in the snapshot.
            guard let directory = try? filesystem.openDirectory(subvolume.directory, of: id) else { continue }
            var status = stat()
            let number = directory.number
            try retryingInterrupts("read", shownName(subvolume.name)) { fstat(number, &status) }
            guard withPath(subvolume.name, { unlinkat(number, $0, CInt(AT_REMOVEDIR)) }) == 0 else { continue }
            try retryingInterrupts("set time of", root) { futimens(number, [status.st_mtim, status.st_mtim]) }
        }
    }
}
