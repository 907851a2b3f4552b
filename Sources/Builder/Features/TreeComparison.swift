import Glibc
import Linux

/// Which path differs between a tree and a snapshot of it taken before: by inode, without reading any content.
struct TreeComparison {
    let before: String
    let after: String
    /// Paths that may differ, with all below them.
    let ignoring: [String]

    /// The first path that differs, in the order of names; nil when none does.
    func first() throws -> String? { try compare("") }

    private func compare(_ path: String) throws -> String? {
        let (old, new) = (try Files.list(before + path), try Files.list(after + path))
        for name in Set(old).union(new).sorted() {
            let inner = "\(path)/\(name)"
            if ignoring.contains(inner) { continue }
            let (left, right) = (Self.status(before + inner), Self.status(after + inner))
            guard let left, let right else {
                // A directory that holds an output may be new.
                if left == nil, let right, Self.isDirectory(right), holdsOutput(inner) {
                    if let found = try firstOther(inner) { return found }
                    continue
                }
                return inner
            }
            if !isSame(left, right) { return inner }
            if Self.isDirectory(right), let found = try compare(inner) { return found }
        }
        return nil
    }

    /// What a new directory holds beside outputs.
    private func firstOther(_ path: String) throws -> String? {
        for name in try Files.list(after + path) {
            let inner = "\(path)/\(name)"
            if ignoring.contains(inner) { continue }
            guard holdsOutput(inner), let status = Self.status(after + inner), Self.isDirectory(status) else { return inner }
            if let found = try firstOther(inner) { return found }
        }
        return nil
    }

    private func holdsOutput(_ path: String) -> Bool { ignoring.contains { $0.hasPrefix(path + "/") } }

    private func isSame(_ left: stat, _ right: stat) -> Bool {
        guard left.st_ino == right.st_ino, left.st_mode == right.st_mode, left.st_uid == right.st_uid,
            left.st_gid == right.st_gid, left.st_rdev == right.st_rdev
        else { return false }
        // What a directory holds is compared; its times follow from it.
        if Self.isDirectory(right) { return true }
        let isSameContent =
            left.st_size == right.st_size && left.st_mtim.tv_sec == right.st_mtim.tv_sec
            && left.st_mtim.tv_nsec == right.st_mtim.tv_nsec
        let isUntouched = left.st_ctim.tv_sec == right.st_ctim.tv_sec && left.st_ctim.tv_nsec == right.st_ctim.tv_nsec
        // A further name changes the time of change.
        return isSameContent && (isUntouched || left.st_nlink != right.st_nlink)
    }

    private static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    private static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
}
