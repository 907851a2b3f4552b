import CLinux
import Glibc
import Linux

/// Removes a subvolume with those nested in it, innermost first, by their ids: at any depth, with any names, read-only ones and
/// those in immutable directories included.
struct SubvolumeRemoval: ~Copyable {
    private struct Level {
        let subvolume: NestedSubvolume
        let parent: UInt64
        /// Those that were found in it and not removed yet.
        var waiting: [NestedSubvolume]
        /// How often it had something new in it when it was to be removed.
        var attempts = 0
    }

    /// How often a subvolume that others are made in meanwhile is emptied anew.
    private static let attemptLimit = 100

    private let filesystem: Filesystem
    private var levels: [Level] = []

    init(at path: String) throws {
        filesystem = try Filesystem(at: path)
    }

    /// Removes all subvolumes that lie in one, which is opened for writing.
    mutating func removeNested(in tree: UInt64) throws(SystemError) {
        for _ in 0..<Self.attemptLimit {
            let nested = try filesystem.nestedSubvolumes(in: tree)
            if nested.isEmpty { return }
            try unprotect(tree)
            for subvolume in nested { try remove(subvolume, in: tree) }
        }
        throw SystemError("delete subvolumes, which others are made in all the time, in", filesystem.path, code: ENOTEMPTY)
    }

    /// Removes one with all that is nested in it.
    mutating func remove(_ subvolume: NestedSubvolume, in parent: UInt64) throws(SystemError) {
        let bottom = levels.count
        try push(subvolume, in: parent)
        while levels.count > bottom {
            let last = levels.count - 1
            if let next = levels[last].waiting.popLast() {
                try push(next, in: levels[last].subvolume.id)
                continue
            }
            let done = levels.removeLast()
            do {
                try delete(done.subvolume, in: done.parent)
            } catch  where error.code == ENOTEMPTY && done.attempts < Self.attemptLimit {
                try push(done.subvolume, in: done.parent, attempts: done.attempts + 1)
            }
        }
    }

    private mutating func push(_ subvolume: NestedSubvolume, in parent: UInt64, attempts: Int = 0) throws(SystemError) {
        let waiting = try filesystem.nestedSubvolumes(in: subvolume.id)
        // Names are taken out of it.
        if !waiting.isEmpty { try unprotect(subvolume.id) }
        levels.append(Level(subvolume: subvolume, parent: parent, waiting: waiting, attempts: attempts))
    }

    /// Opens a subvolume for writing: it goes itself in a moment.
    private func unprotect(_ tree: UInt64) throws(SystemError) {
        let root = try filesystem.openDirectory(UInt64(BTRFS_FIRST_FREE_OBJECTID), of: tree)
        var flags: UInt64 = 0
        try control(root.number, DISH_BTRFS_SUBVOL_GETFLAGS, &flags, "read flags of subvolume \(tree) of", filesystem.path)
        if flags & UInt64(BTRFS_SUBVOL_RDONLY) != 0 {
            flags &= ~UInt64(BTRFS_SUBVOL_RDONLY)
            try control(root.number, DISH_BTRFS_SUBVOL_SETFLAGS, &flags, "open subvolume \(tree) for writing of", filesystem.path)
        }
        try root.removeProtection()
    }

    private func delete(_ subvolume: NestedSubvolume, in parent: UInt64) throws(SystemError) {
        let directory: OwnedFD
        do {
            directory = try filesystem.openDirectory(subvolume.directory, of: parent)
        } catch  where error.code == ESTALE || error.code == ENOENT {
            return
        }
        do {
            try Subvolume.destroy(subvolume.name, in: directory)
        } catch {
            if error.code == ENOENT { return }
            guard error.code == EPERM else { throw error }
            try directory.removeProtection()
            try unprotect(subvolume.id)
            try Subvolume.destroy(subvolume.name, in: directory)
        }
    }
}
