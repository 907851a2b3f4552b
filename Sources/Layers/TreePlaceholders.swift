import Btrfs
import CLinux
import Glibc
import Linux

/// The places of subvolumes in snapshots. A snapshot has none of what a subvolume inside its source has, and the kernel shows an empty
/// directory in its place, which it makes up at each look: its time is now, and it can't be changed. Trees have it as
/// `TreeNode.placeholder`; on disk it becomes that.
extension Pool {
    /// Removes flags of `chattr` from a subvolume's top directory: it couldn't be renamed.
    func removeProtection(of subvolume: String) throws {
        try OwnedFD.open(subvolume, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).removeProtection()
    }

    /// Makes a read-only snapshot in which the places of subvolumes are empty directories.
    func snapshotWithPlaces(of source: String, to path: String, in groups: [QuotaGroup]) throws {
        let filesystem = try filesystem()
        let nested = try filesystem.nestedSubvolumes(in: Subvolume.info(source).id)
        try Subvolume.snapshot(source, to: path, readOnly: nested.isEmpty, in: groups)
        if nested.isEmpty { return }
        let id = try Subvolume.info(path).id
        for subvolume in nested {
            do {
                let directory = try filesystem.openDirectory(subvolume.directory, of: id)
                _ = try Tree.makeDirectory(insteadOf: subvolume.name, in: directory)
            } catch let error as SystemError where [ESTALE, ENOENT, ENOSPC, EDQUOT].contains(error.code) {
                // It is younger than the snapshot; or there is no room for it, and the tree has it as it would be.
            }
        }
        try Subvolume.makeReadOnly(path)
    }
}

extension Tree {
    /// Makes a directory of each place of a subvolume, on disk too, so that who looks there sees what the tree has.
    ///
    /// - Parameter root: where the tree is: a root in staging, which nobody else changes.
    func withDirectoriesForPlaceholders(in root: String) throws -> Tree {
        let inode = UInt64(TreeReader.placeholderInode)
        let places = nodes.indices.dropFirst().filter { nodes.isDirectory($0) && nodes.inode($0) == inode }
        if places.isEmpty { return self }
        let top = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        let paths = TreePaths(self)
        var inodes: [Int: UInt64] = [:]
        for index in places {
            let name = nodes.withName(index) { Array($0) }
            let directory = try OwnedFD.open(paths.path(paths.parent(index)), below: top.number, O_RDONLY | O_DIRECTORY)
            inodes[index] = try Self.makeDirectory(insteadOf: name, in: directory)
        }
        var changed = TreeNodes(like: nodes)
        for index in nodes.indices {
            var node = nodes[index]
            if let inode = inodes[index] { node.inode = inode }
            changed.append(node)
        }
        return Tree(nodes: changed, readFiles: readFiles)
    }

    /// Puts an empty directory into the place of a subvolume; the time of the directory that it is in stays.
    ///
    /// - Returns: its inode; nil when there is something else, which stays.
    fileprivate static func makeDirectory(
        insteadOf name: FileName, in directory: borrowing OwnedFD
    ) throws -> UInt64? {
        let number = directory.number
        var status = stat()
        try retryingInterrupts("look at", shownName(name)) {
            name.withCString { fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_ino == TreeReader.placeholderInode else { return nil }
        let above = try directory.status()
        try directory.removeProtection()
        let unfinished = Array(".dish-\(UInt64.random(in: 0 ... .max)).new".utf8)
        try retryingInterrupts("create directory", shownName(name)) {
            unfinished.withCString { mkdirat(number, $0, 0o755) }
        }
        do {
            let inode = try makePlaceholder(unfinished, in: directory)
            // In one step: without room for it the place stays.
            try retryingInterrupts("replace the place of the subvolume", shownName(name)) {
                unfinished.withCString { old in name.withCString { renameat(number, old, number, $0) } }
            }
            let old = above.st_mtim
            try retryingInterrupts("set time of the directory of", shownName(name)) {
                futimens(number, [above.st_atim, old])
            }
            return inode
        } catch {
            _ = unfinished.withCString { unlinkat(number, $0, AT_REMOVEDIR) }
            throw error
        }
    }

    /// Gives an empty directory what `TreeNode.placeholder` has.
    ///
    /// - Returns: its inode.
    private static func makePlaceholder(_ name: FileName, in directory: borrowing OwnedFD) throws -> UInt64 {
        let made = try directory.directory(name)
        let placeholder = TreeNode.placeholder(name)
        let file = made.number
        try retryingInterrupts("set owner of", shownName(name)) { fchown(file, placeholder.user, placeholder.group) }
        try retryingInterrupts("set mode of", shownName(name)) { fchmod(file, mode_t(placeholder.mode)) }
        // A directory may pass attributes on to those made in it.
        for attribute in try ExtendedAttributes(of: file).names() {
            let path = "/proc/self/fd/\(file)"
            try retryingInterrupts("remove attribute of", shownName(name)) {
                attribute.withCString { dish_removexattr(path, $0, 1) }
            }
        }
        let time = timespec(tv_sec: Int(placeholder.seconds), tv_nsec: Int(placeholder.nanoseconds))
        try retryingInterrupts("set time of", shownName(name)) { futimens(file, [time, time]) }
        return UInt64(try made.status().st_ino)
    }
}
