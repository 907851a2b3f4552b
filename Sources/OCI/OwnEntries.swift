import CLinux
import Glibc
import Linux

/// A directory of a root that is open, with the path that leads to it without links.
final class OpenedDirectory: Sendable {
    let file: OwnedFD
    let path: [UInt8]
    let inode: UInt64

    init(_ file: consuming OwnedFD, _ path: [UInt8]) throws {
        var status = stat()
        let number = file.number
        try retryingInterrupts("read", shown(path)) { fstat(number, &status) }
        self.file = file
        self.path = path
        inode = UInt64(status.st_ino)
    }
}

/// The entries that a layer has put into a root, in 16 bytes for each entry. Several names of an archive may lead to one place, so places are known
/// by their inodes.
///
/// A name is known by a hash whose key nobody outside of this process knows: that two of ten million have the same happens once in a
/// hundred thousand archives of that size, and hides one file more or less.
struct OwnEntries {
    private var names: Set<Int> = []
    /// Directories that it has put there, and those above everything that it has.
    private var directories: Set<UInt64>

    /// - Parameter root: the root's inode.
    init(root: UInt64) { directories = [root] }

    mutating func insert(_ name: [UInt8], in directory: OpenedDirectory) throws {
        names.insert(Self.hash(name, directory.inode))
        if directories.insert(directory.inode).inserted { try insertParents(of: directory) }
    }

    /// A directory by itself; those above it are known.
    mutating func insert(_ directory: OpenedDirectory) { directories.insert(directory.inode) }

    private mutating func insertParents(of directory: OpenedDirectory) throws {
        // The root ends this: it is one of them.
        var current = directory
        while true {
            let number = current.file.number
            let above = OwnedFD(
                adopting: try retryingInterrupts("open directory", shown(directory.path)) {
                    dish_openat(number, "..", DISH_O_PATH | O_DIRECTORY | O_CLOEXEC, 0)
                })
            current = try OpenedDirectory(above, [])
            if !directories.insert(current.inode).inserted { return }
        }
    }

    /// Tells whether a name that isn't a directory's is this layer's.
    func contains(_ name: [UInt8], in directory: OpenedDirectory) -> Bool { names.contains(Self.hash(name, directory.inode)) }

    func contains(directory inode: UInt64) -> Bool { directories.contains(inode) }

    private static func hash(_ name: [UInt8], _ directory: UInt64) -> Int {
        var hasher = Hasher()
        hasher.combine(directory)
        name.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }
}
