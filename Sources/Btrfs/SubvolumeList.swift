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
    public func subvolumes(below top: UInt64 = 5) throws -> [ListedSubvolume] {
        let references = try rootReferences()
        var found: [ListedSubvolume] = []
        var waiting: [(id: UInt64, prefix: String)] = [(top, "")]
        while let current = waiting.popLast() {
            for reference in references where reference.parent == current.id {
                let directory = try directoryPath(reference.directory, in: current.id)
                let path = current.prefix + directory + reference.name
                found.append(ListedSubvolume(id: reference.id, parentID: current.id, path: path))
                waiting.append((reference.id, path + "/"))
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    private struct RootReference {
        let id: UInt64
        let parent: UInt64
        let directory: UInt64
        let name: String
    }

    private func rootReferences() throws -> [RootReference] {
        var references: [RootReference] = []
        let type = UInt32(BTRFS_ROOT_REF_KEY)
        try searchTree(directory.number, path, tree: 1, type: type, objects: 5...UInt64.max) { object, offset, item in
            // struct btrfs_root_ref: directory, sequence, length of the name, then the name.
            guard item.count >= 18 else { return }
            let directory = item.loadUnaligned(fromByteOffset: 0, as: UInt64.self).littleEndian
            let length = Int(item.loadUnaligned(fromByteOffset: 16, as: UInt16.self).littleEndian)
            guard item.count >= 18 + length else { return }
            let name = String(decoding: item[18..<18 + length], as: UTF8.self)
            references.append(RootReference(id: offset, parent: object, directory: directory, name: name))
        }
        return references
    }

    /// The path of a directory in a subvolume, with a slash at its end; empty for its root.
    private func directoryPath(_ inode: UInt64, in tree: UInt64) throws -> String {
        if inode == UInt64(BTRFS_FIRST_FREE_OBJECTID) { return "" }
        var arguments = btrfs_ioctl_ino_lookup_args()
        arguments.treeid = tree
        arguments.objectid = inode
        try control(directory.number, DISH_BTRFS_INO_LOOKUP, &arguments, "look up inode \(inode) in", path)
        return withUnsafeBytes(of: arguments.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
