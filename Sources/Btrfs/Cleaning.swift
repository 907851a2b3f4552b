import CLinux
import Glibc
import Linux

/// The space of removed subvolumes: the kernel's cleaner gives it back, in the background.
extension Filesystem {
    /// Whether there are removed subvolumes whose space isn't back yet.
    ///
    /// Each has an orphan item in the tree of tree roots until its tree is gone.
    public func hasRemovedSubvolumes() throws -> Bool {
        // BTRFS_ORPHAN_OBJECTID is -5.
        let orphans = UInt64(bitPattern: -5)
        var found = false
        try searchTree(directory.number, path, tree: 1, type: UInt32(BTRFS_ORPHAN_ITEM_KEY), objects: orphans...orphans) {
            _, _, _ in found = true
        }
        return found
    }

    /// Waits until the space of removed subvolumes is back.
    ///
    /// By itself the cleaner looks once in half a minute; `sync` wakes it.
    /// - Parameter seconds: for how long at most. With a file of a removed subvolume still open it would be for ever.
    public func waitForCleaner(seconds: Int) throws {
        for _ in 0..<seconds * 10 {
            try sync()
            if try !hasRemovedSubvolumes() { break }
            usleep(100_000)
        }
        // What it gave back can be used after one more commit.
        try sync()
    }
}
