import CLinux
import Glibc
import Linux
import Testing

@testable import Layers

@Suite struct TreeDigestTests {
    /// A tree with one entry of each common kind.
    private func fill(_ tree: borrowing TestTree) throws {
        try tree.directory("etc")
        try tree.file("etc/hostname", "host\n")
        try tree.directory("bin", mode: 0o750)
        try tree.file("bin/tool", "#!/bin/sh\n", mode: 0o755)
        try tree.hardLink("bin/tool2", to: "bin/tool")
        try tree.link("link", to: "etc/hostname")
    }

    /// Written out by hand after docs/layer-format.md, with this process's ids, which the files have.
    @Test func theDigestIsTheOneTheDocumentDescribes() throws {
        let tree = try TestTree()
        try fill(tree)
        let node = { (type: String, mode: UInt32) -> [UInt8] in
            Array(type.utf8) + little(mode) + little(UInt32(getuid())) + little(UInt32(getgid())) + little(TestTree.time)
                + little(UInt32(0)) + little(UInt32(0))
        }
        let file = { (content: String, mode: UInt32) in
            node("f", mode) + little(UInt64(content.utf8.count)) + sha256(Array(content.utf8))
        }
        let directory = { (entries: [(String, [UInt8])]) in
            sha256(Array("dish.tree.1\0".utf8) + entries.flatMap { bytes($0.0) + $0.1 })
        }
        let bin = directory([
            ("tool", file("#!/bin/sh\n", 0o755)), ("tool2", Array("h".utf8) + bytes("bin/tool")),
        ])
        let root = directory([
            ("bin", node("d", 0o750) + bin), ("etc", node("d", 0o755) + directory([("hostname", file("host\n", 0o644))])),
            ("link", node("l", 0o777) + bytes("etc/hostname")),
        ])
        let expected = sha256(Array("dish.layer.1\0".utf8) + node("d", 0o700) + root)
        let digest = try tree.digest()
        #expect(digest.id.hex == hexadecimal(expected))
        #expect(digest.entries == 7)
        #expect(digest.size == 15)
    }

    @Test func theValueOfAFixedTreeNeverChanges() throws {
        func node(_ name: [UInt8], _ kind: TreeNode.Kind, mode: UInt32, inode: UInt64) -> TreeNode {
            TreeNode(
                name: name, kind: kind, mode: mode, user: 0, group: 0, seconds: 0, nanoseconds: 0, attributes: [],
                inode: inode, isLinked: false)
        }
        var root = node([], .directory, mode: 0o755, inode: 256)
        (root.seconds, root.nanoseconds, root.descendants) = (1, 2, 5)
        root.attributes = [.init(name: Array("user.a".utf8), value: [0, 255])]
        let content = ContentDigest(ContentHash.bytes("abc".utf8))
        var file = node(Array("a\n".utf8), .file(size: 3, content: content), mode: 0o4755, inode: 257)
        (file.user, file.group, file.seconds, file.nanoseconds, file.isLinked) = (1, 2, -1, 999_999_999, true)
        var further = file
        further.name = [0xFF]
        var encoder = TreeEncoder(
            Tree(nodes: [
                root, file, further,
                node([0xFF, 1], .link(target: [0xC3]), mode: 0o777, inode: 258),
                node([0xFF, 2], .device(type: UInt8(ascii: "c"), major: 1, minor: 3), mode: 0o666, inode: 259),
                node([0xFF, 3], .special(type: UInt8(ascii: "p")), mode: 0o600, inode: 260),
            ]))
        #expect(encoder.layerID().hex == "d38315ad604d08dc6b319015eec0f466f9d729d49e5bc4a58ab8caa561489c12")
    }

    /// Deeper than what may be open at a time, than any path, and than a thread's stack.
    @Test func aTreeMayHaveAnyDepth() throws {
        let tree = try TestTree()
        let depth = 3000
        func descend(_ body: (CInt) throws -> Void) throws {
            var directory = try OwnedFD.open(tree.root, O_RDONLY | O_DIRECTORY)
            for _ in 0..<depth {
                let number = directory.number
                mkdirat(number, "directory", 0o755)
                directory = try directory.directory(Array("directory".utf8))
            }
            try body(directory.number)
        }
        func write(_ text: String, _ directory: CInt) throws {
            let file = openat(directory, "file", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            try Files.write(text.utf8, to: file, "file")
            close(file)
        }
        try descend { directory in
            try write("one", directory)
            #expect(linkat(directory, "file", directory, "further", 0) == 0)
        }
        let before = try Tree(of: tree.root)
        #expect(before.count == depth + 3)
        let same = try Tree(of: tree.root)
        #expect(try same.changes(from: before).isEmpty && TreeDigest(same).id == TreeDigest(before).id)
        #expect(try TreeFile.decode(TreeFile.encode(before, subvolume: "uuid"), subvolume: "uuid")?.count == depth + 3)
        try descend { try write("two", $0) }
        let after = try Tree(of: tree.root)
        let changes = try after.changes(from: before)
        #expect(changes.map(\.aspects.first) == ["content", "content"])
        #expect(changes.first?.path.utf8.count == depth * 10 + 5)
        #expect(after.edits(from: before).count == 2)
        #expect(TreeDigest(after).id != TreeDigest(before).id)
        // It is told before anything is sent.
        try after.requireReceivable(against: nil, "it", remedy: "")
    }

    /// `btrfs property` and `chattr +c` say how content is stored.
    @Test func propertiesOfTheFileSystemAreNoPartOfATree() throws {
        func tree(_ attributes: [String]) -> Tree {
            var root = Tree.empty.nodes[0]
            root.attributes = attributes.map { .init(name: Array($0.utf8), value: [1]) }
            return Tree(nodes: [root])
        }
        func stored(_ tree: Tree, version: Int) throws -> Tree? {
            var bytes = TreeFile.encode(tree, subvolume: "uuid")
            bytes[Array("dish.layer-tree.".utf8).count] = UInt8(ascii: "0") + UInt8(version)
            bytes.replaceSubrange((bytes.count - 32)..., with: ContentHash.bytes(bytes.dropLast(32)))
            return try TreeFile.decode(bytes, subvolume: "uuid")
        }
        // A tree that was stored when they were is read again.
        #expect(try stored(tree(["btrfs.compression", "user.a"]), version: 3) == nil)
        #expect(try stored(tree(["user.a"]), version: 3) != nil)
        let index = TreeIndex(tree(["btrfs.compression", "user.a"]))
        #expect(index.nodes[0].attributes.map { String(decoding: $0.name, as: UTF8.self) } == ["user.a"])
    }

    @Test func theOrderInWhichATreeIsMadeMeansNothing() throws {
        let names = (0..<200).map { "file-\($0)" }
        func digest(_ names: [String]) throws -> LayerID {
            let tree = try TestTree()
            for name in names { try tree.file(name, name) }
            return try tree.digest().id
        }
        #expect(try digest(names) == digest(names.reversed()))
        #expect(try digest(names) == digest(names.shuffled()))
    }

    @Test func namesAndTargetsMayBeAnyBytes() throws {
        let tree = try TestTree()
        for name in [Array("new\nline".utf8), [0xFF, 0xFE], [0xC3], Array("é".utf8)] { try tree.file(name, "x") }
        let digest = try tree.digest()
        #expect(digest.entries == 5)
        try tree.file([0xFF], "x")
        #expect(try tree.digest().id != digest.id)
    }

    /// What is part of a tree's identity, each by a change of it alone.
    @Test func everythingAProgramCanSeeChangesTheDigest() throws {
        let tree = try TestTree()
        try fill(tree)
        var seen = [try tree.digest().id]
        func expectNew(_ what: String, _ change: () throws -> Void) throws {
            try change()
            let id = try tree.digest().id
            #expect(!seen.contains(id), "\(what)")
            seen.append(id)
        }
        try expectNew("content") { try tree.file("etc/hostname", "Host\n") }
        try expectNew("mode") { chmod("\(tree.root)/etc/hostname", 0o600) }
        try expectNew("set-id bits") { chmod("\(tree.root)/bin/tool", 0o4755) }
        try expectNew("mode of a directory") { chmod("\(tree.root)/etc", 0o1755) }
        try expectNew("an empty directory") { try tree.directory("empty") }
        try expectNew("an empty file") { try tree.file("empty/file", "") }
        try expectNew("a link's target") {
            try tree.remove("link")
            try tree.link("link", to: "etc/other")
        }
        try expectNew("a copy instead of a further name") {
            try tree.remove("bin/tool2")
            try tree.file("bin/tool2", "#!/bin/sh\n", mode: 0o4755)
        }
        try expectNew("a FIFO") { mkfifo("\(tree.root)/pipe", 0o600) }
        try tree.setTime("etc/hostname", 5)
        #expect(try !seen.contains(TreeDigest(of: tree.root).id), "time of modification")
    }

    @Test func whenAndHowOftenATreeIsReadChangesNothing() throws {
        let tree = try TestTree()
        try fill(tree)
        let id = try tree.digest().id
        _ = try Files.read("\(tree.root)/etc/hostname")
        #expect(try tree.digest().id == id)
        // A hole reads as zeros.
        try tree.file("zeros", String(repeating: "\0", count: 100_000))
        let full = try tree.digest().id
        truncate("\(tree.root)/zeros", 0)
        truncate("\(tree.root)/zeros", 100_000)
        #expect(try tree.digest().id == full)
    }

    @Test func extendedAttributesCountInTheOrderOfTheirNames() throws {
        let one = try TestTree()
        let other = try TestTree()
        try one.file("f", "")
        try other.file("f", "")
        let plain = try one.digest().id
        // Without a file system that has attributes there is nothing to compare.
        guard try one.attribute("f", "user.b", "2") else { return }
        _ = try one.attribute("f", "user.a", String(repeating: "1", count: 3000))
        _ = try other.attribute("f", "user.a", String(repeating: "1", count: 3000))
        _ = try other.attribute("f", "user.b", "2")
        let id = try one.digest().id
        #expect(id != plain)
        #expect(try other.digest().id == id)
        _ = try other.attribute("f", "user.b", "3")
        #expect(try other.digest().id != id)
    }

    @Test func laterTimesAreSetBackOnDiskAndEarlierOnesKept() throws {
        let tree = try TestTree()
        try tree.file("old", "")
        try tree.file("new", "")
        try tree.link("link", to: "nowhere")
        try tree.setTime("old", 1000)
        try tree.setTime("new", 3000)
        let first = try TreeDigest(of: tree.root, latestTime: 2000)
        var status = stat()
        for (name, time) in [("old", 1000), ("new", 2000), ("link", 2000), (".", 2000)] {
            lstat("\(tree.root)/\(name)", &status)
            #expect(status.st_mtim.tv_sec == time && status.st_mtim.tv_nsec == 0, "\(name)")
        }
        #expect(try TreeDigest(of: tree.root) == first)
    }

    @Test func aLinkAsTheRootIsNotFollowed() throws {
        let tree = try TestTree()
        try tree.directory("real")
        try tree.link("link", to: "real")
        #expect(throws: SystemError.self) { try TreeDigest(of: "\(tree.root)/link") }
        #expect(throws: SystemError.self) { try TreeDigest(of: "\(tree.root)/none") }
    }
}

private func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

private func bytes(_ text: String) -> [UInt8] { little(UInt32(text.utf8.count)) + text.utf8 }

private func sha256(_ bytes: [UInt8]) -> [UInt8] { ContentHash.bytes(bytes) }
