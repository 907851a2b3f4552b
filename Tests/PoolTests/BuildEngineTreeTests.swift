import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// A child's identity, read only where it differs from its parent, is what reading all of it gives.
extension BuildEngine {
    @Suite struct TreeTests {
        /// A pool of its own in a file.
        private func withPool(_ body: (Pool) async throws -> Void) async throws {
            let registry = PoolRegistry(stateDirectory: try Scratch.make("state"))
            let path = try Scratch.make("trees") + "/pool"
            let pool = try registry.create(path, on: .file(path + ".img"), size: 1 << 30)
            do {
                try await body(pool)
                try registry.destroy(path)
            } catch {
                try? registry.destroy(path)
                throw error
            }
        }

        @Test func theIncrementalTreeIsTheFullTreeAfterAnyChanges() async throws {
            try await withPool { pool in
                for seed in 1...6 {
                    var random = SeededGenerator(UInt64(seed))
                    var root = "\(pool.path)/staging/tree-\(seed)-0"
                    try Subvolume.create(root)
                    var shape = RandomTree(root)
                    for _ in 0..<120 { try shape.change(&random) }
                    try pool.filesystem().sync()
                    var tree = try Tree(of: root)
                    for step in 1...12 {
                        let next = "\(pool.path)/staging/tree-\(seed)-\(step)"
                        try Subvolume.makeReadOnly(root)
                        try Subvolume.snapshot(root, to: next)
                        shape = shape.moved(to: next)
                        for _ in 0..<Int.random(in: 0...12, using: &random) { try shape.change(&random) }
                        try pool.filesystem().sync()
                        let incremental = try Tree(ofSnapshot: next, of: tree)
                        #expect(TreeDigest(incremental) == (try TreeDigest(of: next)), "seed \(seed), step \(step)")
                        (root, tree) = (next, incremental)
                    }
                    for step in 0...12 { try Subvolume.deleteRecursively("\(pool.path)/staging/tree-\(seed)-\(step)") }
                }
            }
        }

        @Test func aRenamedDirectoryMovesTheFirstNameOfAHardLinkedFile() async throws {
            try await withPool { pool in
                let root = "\(pool.path)/staging/first"
                try Subvolume.create(root)
                for name in ["b", "c"] { try Files.makeDirectories("\(root)/\(name)") }
                try Files.replace("\(root)/b/x", with: "same".utf8)
                #expect(link("\(root)/b/x", "\(root)/c/y") == 0)
                try pool.filesystem().sync()
                let tree = try Tree(of: root)
                let next = "\(pool.path)/staging/second"
                try Subvolume.snapshot(root, to: next)
                #expect(rename("\(next)/b", "\(next)/d") == 0)
                try pool.filesystem().sync()
                #expect(TreeDigest(try Tree(ofSnapshot: next, of: tree)) == (try TreeDigest(of: next)))
            }
        }

        @Test func anUnchangedSnapshotHasItsSourcesIdentityAndReadsNothing() async throws {
            try await withPool { pool in
                let root = "\(pool.path)/staging/first"
                try Subvolume.create(root)
                try Files.replace("\(root)/file", with: "content".utf8)
                try pool.filesystem().sync()
                let tree = try Tree(of: root)
                let next = "\(pool.path)/staging/second"
                try Subvolume.snapshot(root, to: next)
                try pool.filesystem().sync()
                #expect(try Subvolume.inodesChanged(in: next, after: Subvolume.info(next).creation).isEmpty)
                #expect(TreeDigest(try Tree(ofSnapshot: next, of: tree)) == TreeDigest(tree))
            }
        }
    }
}

/// Changes a tree at random, in every way that a build step can.
private struct RandomTree {
    private let root: String
    private var directories = [""]
    private var files: [String] = []
    private var counter = 0

    init(_ root: String) {
        self.root = root
    }

    func moved(to root: String) -> RandomTree {
        var copy = RandomTree(root)
        (copy.directories, copy.files, copy.counter) = (directories, files, counter)
        return copy
    }

    mutating func change(_ random: inout SeededGenerator) throws {
        counter += 1
        let directory = directories.randomElement(using: &random)!
        let new = "\(directory)/\(["a", "m", "z"].randomElement(using: &random)!)\(counter)"
        let file = files.randomElement(using: &random)
        switch (Int.random(in: 0..<20, using: &random), file) {
        case (0, _), (1, _):
            try Files.makeDirectories(root + new)
            directories.append(new)
        case (2, _):
            symlink("target-\(counter)", root + new)
        case (3, _):
            mkfifo(root + new, 0o600)
        case (4, _):
            mknod(root + new, S_IFCHR | 0o600, dev_t(dish_makedev(1, 3)))
        case (5, let file?):
            if link(root + file, root + new) == 0 { files.append(new) }
        case (6, let file?):
            chmod(root + file, mode_t.random(in: 0...0o7777, using: &random))
        case (7, let file?):
            chown(root + file, uid_t.random(in: 0...2000, using: &random), 7)
        case (8, let file?):
            let value = Array("value-\(counter)".utf8)
            _ = dish_setxattr(root + file, "user.test", value, UInt(value.count), 1)
        case (9, let file?):
            truncate(root + file, off_t.random(in: 0...20_000, using: &random))
        case (10, let file?): try rewriteInPlace(root + file, byte: UInt8(counter & 255))
        case (11, let file?): try writeThroughMapping(root + file, byte: UInt8(counter & 255))
        case (12, let file?):
            unlink(root + file)
            files.removeAll { $0 == file }
        case (13, let file?):
            if rename(root + file, root + new) == 0 {
                files.removeAll { $0 == file }
                files.append(new)
            }
        case (14, _) where !directory.isEmpty && !new.hasPrefix(directory + "/"): fallthrough
        case (15, _) where !directory.isEmpty:
            // Moves a directory with all that is below it, to a name beside it.
            let moved = "\(directory)-\(counter)"
            rename(root + directory, root + moved)
            func follow(_ path: String) -> String {
                path == directory || path.hasPrefix(directory + "/") ? moved + path.dropFirst(directory.count) : path
            }
            directories = directories.map(follow)
            files = files.map(follow)
        default:
            let size = [0, 10, 1500, 9000, 200_000].randomElement(using: &random)!
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            try Files.replace(root + new, with: bytes, durable: false)
            files.append(new)
        }
    }

    /// Same size, and the modification time put back: only the change time tells.
    private func rewriteInPlace(_ path: String, byte: UInt8) throws {
        var status = stat()
        guard stat(path, &status) == 0, status.st_size > 0 else { return }
        let file = try OwnedFD.open(path, O_WRONLY)
        let bytes: [UInt8] = [byte, byte ^ 0x55]
        pwrite(file.number, bytes, min(2, Int(status.st_size)), status.st_size / 2)
        var times = [status.st_atim, status.st_mtim]
        futimens(file.number, &times)
    }

    private func writeThroughMapping(_ path: String, byte: UInt8) throws {
        var status = stat()
        guard stat(path, &status) == 0, status.st_size > 0 else { return }
        let file = try OwnedFD.open(path, O_RDWR)
        let length = Int(status.st_size)
        let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)
        guard let mapped, mapped != MAP_FAILED else { throw SystemError("map", path) }
        mapped.storeBytes(of: byte, toByteOffset: length / 3, as: UInt8.self)
        munmap(mapped, length)
    }
}

/// The same numbers at each run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed &* 0x9e37_79b9_7f4a_7c15
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
