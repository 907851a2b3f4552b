import CLinux
import Glibc
import Linux

/// A subvolume as `Filesystem.subvolumes` lists it.
public struct ListedSubvolume: Sendable, Equatable {
    public let id: UInt64
    /// The subvolume it lies in.
    public let parentID: UInt64
    /// Its path, from the root of the subvolume the list was asked for.
    public let path: String
}

extension Filesystem {
    /// All subvolumes below one (5 is the top level), a parent before those that lie in it.
    ///
    /// From the `ROOT_REF` items of the tree of tree roots; deleted subvolumes have none.
    ///
    /// A path that is too long for the kernel has `…` for what is left out; its beginning tells where the subvolume belongs.
    public func subvolumes(below top: UInt64 = 5) throws -> [ListedSubvolume] {
        let references = Dictionary(grouping: try rootReferences(), by: \.parent)
        var found: [ListedSubvolume] = []
        var waiting: [(id: UInt64, prefix: String)] = [(top, "")]
        while let current = waiting.popLast() {
            let isLong = current.prefix.utf8.count > Self.pathLimit
            for reference in references[current.id] ?? [] {
                let directory = isLong ? "" : try directoryPath(reference.directory, in: current.id)
                let path = current.prefix + (isLong ? "…" : directory + reference.name)
                found.append(ListedSubvolume(id: reference.id, parentID: current.id, path: path))
                waiting.append((reference.id, isLong ? current.prefix : path + "/"))
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    private static var pathLimit: Int { Int(PATH_MAX) }

    private struct RootReference {
        let id: UInt64
        let parent: UInt64
        let directory: UInt64
        let name: String
    }

    private func rootReferences() throws -> [RootReference] {
        var references: [RootReference] = []
        let type = UInt32(BTRFS_ROOT_REF_KEY)
        try searchTree(directory.number, path, tree: 1, type: type, objects: 5...UInt64.max) { parent, id, item in
            guard let (directory, name) = rootReference(item) else { return }
            references.append(
                RootReference(id: id, parent: parent, directory: directory, name: String(decoding: name, as: UTF8.self)))
        }
        return references
    }

    /// The path of a directory in a subvolume, with a slash at its end; empty for its root.
    private func directoryPath(_ inode: UInt64, in tree: UInt64) throws -> String {
        if inode == UInt64(BTRFS_FIRST_FREE_OBJECTID) { return "" }
        var arguments = btrfs_ioctl_ino_lookup_args()
        arguments.treeid = tree
        arguments.objectid = inode
        do {
            try control(directory.number, DISH_BTRFS_INO_LOOKUP, &arguments, "look up inode \(inode) in", path)
        } catch {
            // Too deep, or removed meanwhile.
            guard error.code == ENAMETOOLONG || error.code == ENOENT else { throw error }
            return "…/"
        }
        return withUnsafeBytes(of: arguments.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
