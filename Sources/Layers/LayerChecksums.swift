import Btrfs
import Glibc
import Linux

extension Pool {
    /// Gives the files of a finished root checksums where they have none (`chattr +C`, `nodatacow`, `nodatasum`), and lets its directories
    /// give new files some: what is in a layer is compared with its checksums by every read and scrub, and so is what tasks write.
    ///
    /// Nothing runs in that root any more, but whatever ran in it chose all names and links: files are opened by their numbers. What the
    /// kernel has committed is seen.
    ///
    /// - Parameter root: read-only, in staging.
    /// - Returns: whether there were any.
    func giveChecksums(in root: String, parent: LayerID?) throws -> Bool {
        let filesystem = try filesystem()
        let info = try Subvolume.info(root)
        let source = try parent.map { try Subvolume.info(self.root(of: $0)).uuid }
        // What is the parent's has some already.
        let generation = source != nil && source == info.parentUUID ? info.creation : 0
        let found = try filesystem.uncheckedInodes(of: info.id, from: generation)
        if found.isEmpty { return false }
        let files = try areMultiplied(found, of: info.id, on: filesystem) ? found.filter(\.isDirectory) : found
        try Subvolume.makeWritable(root)
        for file in files {
            try Cancellation.check()
            do {
                let opened = try filesystem.openInode(file, of: info.id, for: O_RDONLY)
                try opened.removeProtection()
                if file.isDirectory {
                    try FileData.allowChecksums(opened.number, "a directory of the layer")
                } else {
                    try rewrite(filesystem.openInode(file, of: info.id, for: O_RDWR), in: root)
                }
            } catch let error as SystemError where error.code == ESTALE {
                // It was removed while it was open.
                continue
            }
        }
        try Subvolume.makeReadOnly(root)
        return true
    }

    /// Whether files share so much with each other that copies of them would take more room than whatever made them had: who makes clones
    /// of a large file pays for one. Such files stay as they are, and are told.
    private func areMultiplied(_ found: [UncheckedInode], of root: UInt64, on filesystem: borrowing Filesystem) throws -> Bool {
        let inodes = Set(found.filter { !$0.isDirectory }.map(\.inode))
        var (copies, extents) = (UInt64(0), [UInt64: UInt64]())
        try filesystem.forEachDataExtent(of: root) { extent in
            guard inodes.contains(extent.inode) else { return }
            copies &+= extent.length
            extents[extent.address] = extent.content
        }
        return copies > extents.values.reduce(Self.mostMultiplied, &+)
    }

    /// Bytes.
    private static let mostMultiplied: UInt64 = 64 << 20

    private func rewrite(_ file: borrowing OwnedFD, in root: String) throws {
        // `O_TMPFILE` of fcntl.h: without a name, and in the layer's subvolume, which is billed for what is written first.
        let copy = try OwnedFD.open(root, O_RDWR | O_DIRECTORY | 0o20000000, mode: 0o600)
        try FileData.giveChecksums(file, through: copy, "a file without checksums") { try Cancellation.check() }
    }
}
