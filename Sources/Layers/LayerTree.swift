import Btrfs
import CLinux
import Glibc
import Linux

extension Pool {
    /// A layer's tree: as it was stored when the layer was published or, when that is missing or not of this
    /// copy of the layer, read from the layer and stored.
    public func tree(of id: LayerID) throws -> Tree {
        try requireUndamaged(id)
        let uuid = try Subvolume.info(root(of: id)).uuid
        if let tree = try storedTree(in: directory(ofLayer: id), subvolume: uuid) { return tree }
        guard let tree = try Tree(of: root(of: id)).identified(as: id, root: root(of: id)) else {
            throw PoolError(
                .damaged,
                "the layer \(id.short) at '\(root(of: id))' isn't what its id says; remove it: dish image rm \(id.short)")
        }
        try storeTree(tree, subvolume: uuid, in: directory(ofLayer: id), groups: [])
        return tree
    }

    /// The tree of a finished root in staging. Of one made from a parent only what changed is read.
    ///
    /// - Parameter latestTime: seconds since 1970; later modification times are set to it. Nil leaves all as they are.
    public func tree(of staged: StagingDirectory, parent: LayerID?, latestTime: Int64? = nil) throws -> Tree {
        try flattenSubvolumes(in: staged)
        guard let parent else { return try withoutDevices(Tree(of: staged.root, latestTime: latestTime), in: staged) }
        let (source, _) = try concurrently({ TreeIndex(try tree(of: parent)) }, { try filesystem().sync() })
        return try withoutDevices(Tree(ofSnapshot: staged.root, of: source, latestTime: latestTime), in: staged)
    }

    /// The same, with all of it read: of a root that was changed before the snapshot in staging was made.
    func wholeTree(of staged: StagingDirectory) throws -> Tree {
        try flattenSubvolumes(in: staged)
        return try withoutDevices(Tree(of: staged.root), in: staged)
    }

    /// Whatever made the root: what is no layer's business doesn't get into one. `StagingDirectory.leftOut` has what it was.
    private func withoutDevices(_ tree: Tree, in staged: StagingDirectory) throws -> Tree {
        let (tree, leftOut) = try tree.withDirectoriesForPlaceholders(in: staged.root).withoutDevices(in: staged.root)
        if leftOut.isEmpty { return tree }
        staged.note(leftOut)
        return tree
    }

    func directory(ofLayer id: LayerID) -> String { "\(layers)/\(id.hex)" }

    /// A snapshot leaves subvolumes inside its source out, so a layer has none: they become directories.
    ///
    /// Nothing runs in that root any more, but whatever ran in it chose all names and links: all is done by descriptors of the
    /// directories that subvolumes lie in. Those nested in one of them are copied with it.
    private func flattenSubvolumes(in staged: StagingDirectory) throws {
        let filesystem = try filesystem()
        let id = try Subvolume.info(staged.root).id
        for subvolume in try filesystem.nestedSubvolumes(in: id) {
            let directory = try filesystem.openDirectory(subvolume.directory, of: id)
            try directory.removeProtection()
            let (number, name) = (directory.number, subvolume.name)
            let copy = Array(".dish-\(UInt64.random(in: 0 ... .max)).new".utf8)
            do {
                try TreeCopy.copy(name, in: directory, to: directory, as: copy) { try Cancellation.check() }
            } catch let error as SystemError {
                throw PoolError(.invalid, "make a directory of the subvolume '\(shownName(name))', which the image has: \(error)")
            }
            try Subvolume.delete(subvolume, in: id, at: staged.root)
            try retryingInterrupts("rename to", shownName(name)) {
                copy.withCString { old in name.withCString { dish_renameat2(number, old, number, $0, DISH_RENAME_NOREPLACE) } }
            }
        }
    }
}
