import CLinux
import Glibc
import Linux
import SendStream
import Testing

@testable import Layers

/// The digest of content (docs/layer-format.md, "Content").
@Suite struct FileDigestTests {
    private static let block = 65_536

    /// As the document has it, without any of the shortcuts.
    private func documented(_ content: [UInt8]) -> [UInt8] {
        let blocks = stride(from: 0, to: content.count, by: Self.block).map {
            content[$0..<min(content.count, $0 + Self.block)]
        }
        let isZero = blocks.map { $0.allSatisfy { $0 == 0 } }
        guard isZero.filter({ $0 }).count >= 64 else { return ContentHash.bytes(content) }
        var encoded: [UInt8] = []
        var zeros: UInt64 = 0
        func end() {
            if zeros > 0 { encoded += [0] + withUnsafeBytes(of: zeros.littleEndian) { Array($0) } }
            zeros = 0
        }
        for (block, isZero) in zip(blocks, isZero) {
            if isZero {
                zeros += 1
            } else {
                end()
                encoded += [1] + block
            }
        }
        end()
        return doubleHash(encoded)
    }

    private func doubleHash(_ encoded: [UInt8]) -> [UInt8] {
        ContentHash.bytes(Array("dish.sparse.1\0".utf8) + ContentHash.bytes(encoded))
    }

    private func memoryFile() throws -> OwnedFD {
        OwnedFD(adopting: try retryingInterrupts("create memory file") { dish_memory_file("test") })
    }

    private func digest(_ file: borrowing OwnedFD) throws -> [UInt8] {
        try FileDigest.read(try file.duplicate(), "file").withBytes { Array($0) }
    }

    /// A file with content; blocks of zeros are holes, or are written.
    private func digest(_ content: [UInt8], sparse: Bool) throws -> [UInt8] {
        let file = try memoryFile()
        let number = file.number
        try retryingInterrupts("set size") { ftruncate(number, off_t(content.count)) }
        for start in stride(from: 0, to: content.count, by: 4096) {
            let piece = Array(content[start..<min(content.count, start + 4096)])
            if sparse, piece.allSatisfy({ $0 == 0 }) { continue }
            #expect(pwrite(number, piece, piece.count, off_t(start)) == piece.count)
        }
        return try digest(file)
    }

    /// Content of so many blocks, of which some have a byte at their end.
    private func content(_ blocks: Int, data: [Int], last: Int = block) -> [UInt8] {
        var content = [UInt8](repeating: 0, count: (blocks - 1) * Self.block + last)
        for index in data { content[min(content.count, (index + 1) * Self.block) - 1] = 7 }
        return content
    }

    @Test func theDigestIsTheOneTheDocumentDescribes() throws {
        let contents = [
            [], [0], content(63, data: []), content(64, data: [], last: 1), content(64, data: []), content(64, data: [63]),
            content(70, data: [0, 1, 2, 3, 4, 5, 6]), content(70, data: [0, 1, 2, 5, 6]), content(90, data: [3, 60, 61, 89]),
            content(100, data: [0, 99], last: 5000), content(140, data: Array(0..<77)),
        ]
        for (index, content) in contents.enumerated() {
            let expected = documented(content)
            #expect(try digest(content, sparse: true) == expected, "\(index), sparse")
            #expect(try digest(content, sparse: false) == expected, "\(index), written")
        }
        // Nearly all files have the SHA-256 of their content.
        #expect(documented(contents[2]) == ContentHash.bytes(contents[2]))
        #expect(documented(contents[3]) != ContentHash.bytes(contents[3]))
    }

    @Test func aHoleCostsNothing() throws {
        let file = try memoryFile()
        let number = file.number
        let start = ContinuousClock.now
        let size = Int64.max
        try retryingInterrupts("set size") { ftruncate(number, off_t(size)) }
        let empty = try digest(file)
        let zeros = UInt64(size) / 65_536 + 1
        #expect(empty == doubleHash([0] + withUnsafeBytes(of: zeros.littleEndian) { Array($0) }))
        #expect(pwrite(number, "x", 1, 1 << 62) == 1)
        #expect(try digest(file) != empty)
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test func whatIsToldPieceByPieceHasTheSameDigest() {
        for (data, zeros) in [([0, 1, 2], 10), ([0], 62), ([0], 63), ([0], 64), ([0], 1_000_000)] {
            let blocks = data.count + zeros
            var hash = PlainContentHash()
            let block = content(1, data: [0])
            for _ in data { for piece in [block[..<1000], block[1000...]] { piece.withUnsafeBytes { hash.add($0) } } }
            hash.addZeros(UInt64(zeros * Self.block))
            let digest = hash.finish()?.withBytes { Array($0) }
            #expect(digest == (zeros < 64 ? documented(content(blocks, data: data)) : nil), "\(zeros)")
        }
    }

    @Test func hashingEndsWhenItIsCancelled() throws {
        let file = try memoryFile()
        let number = file.number
        try retryingInterrupts("set size") { ftruncate(number, 100 << 20) }
        let cancellation = Cancellation()
        cancellation.cancel()
        try Cancellation.joining(cancellation) {
            #expect(throws: CancellationError.self) { try digest(file) }
            #expect(throws: CancellationError.self) { try ContentHash.file(try file.duplicate(), "file") }
            let tree = try TestTree()
            #expect(throws: CancellationError.self) { try TreeDigest(of: tree.root) }
        }
    }

    /// A file that version 1 of the format gave another digest keeps the id that it made.
    @Test func anIDOfVersion1IsStillThatOfItsTree() throws {
        let tree = try TestTree()
        try tree.file("small", "x")
        try tree.file("sparse", "")
        truncate("\(tree.root)/sparse", 5 << 20)
        try tree.hardLink("further", to: "sparse")
        try tree.setTime("sparse", 1)
        let current = try Tree(of: tree.root)
        var nodes = Array(current.nodes)
        for index in nodes.indices where nodes[index].size == 5 << 20 {
            nodes[index].kind = .file(
                size: 5 << 20, content: ContentDigest(ContentHash.bytes([UInt8](repeating: 0, count: 5 << 20))))
        }
        let older = Tree(nodes: nodes)
        #expect(TreeDigest(older).id != TreeDigest(current).id)
        #expect(
            try current.hasID(TreeDigest(current).id, root: tree.root) && current.hasID(TreeDigest(older).id, root: tree.root))
        #expect(try !current.hasID(TreeDigest(Tree.empty).id, root: tree.root))
        // One that was received may cost a gibibyte and 256 times what came: then it is an error, and never another content.
        let budget = ReceiveBudget()
        for _ in 0..<204 { #expect(try current.hasID(TreeDigest(older).id, root: tree.root, budget: budget)) }
        let error = #expect(throws: PoolError.self) { try current.hasID(TreeDigest(older).id, root: tree.root, budget: budget) }
        #expect(error?.code == .tooLarge && error?.description.contains("'/further'") == true, "\(error?.description ?? "")")
        #expect(try current.hasID(TreeDigest(current).id, root: tree.root, budget: budget))
        budget.receive(1 << 20)
        #expect(try current.hasID(TreeDigest(older).id, root: tree.root, budget: budget))
        // Its stored tree is read again, that of a tree without large files isn't.
        #expect(
            stored(older, version: 4) != nil && stored(older, version: 3) != nil && stored(older, version: 2) == nil
                && stored(older, version: 1) == nil)
        truncate("\(tree.root)/sparse", 1 << 20)
        #expect(stored(try Tree(of: tree.root), version: 1) != nil)
    }

    /// In a tree that somebody writes to, something else may have taken a file's place since it was seen.
    @Test func whatIsNoFileIsNotHashed() throws {
        let tree = try TestTree()
        #expect(mkfifo("\(tree.root)/pipe", 0o600) == 0)
        let root = try OwnedFD.open(tree.root, O_RDONLY | O_DIRECTORY)
        let error = #expect(throws: SystemError.self) { _ = try TreeReader.openFile(Array("pipe".utf8), below: root.number) }
        #expect(error?.code == EINVAL)
    }

    @Test func aNodeThatReceiversRefuseIsNotSent() throws {
        func tree(_ minors: [UInt32]) -> Tree {
            var root = Tree.empty.nodes[0]
            root.descendants = minors.count
            return Tree(
                nodes: [root]
                    + minors.map {
                        TreeNode(
                            name: Array("n\($0)".utf8), kind: .device(type: UInt8(ascii: "c"), major: 5, minor: $0), mode: 0o600,
                            user: 0, group: 0, seconds: 0, nanoseconds: 0, attributes: [], inode: 300 + UInt64($0),
                            isLinked: false)
                    })
        }
        try tree([0, 2]).requireReceivable(against: nil, "it", remedy: "")
        try tree([0, 1]).requireReceivable(against: tree([1]), "it", remedy: "")
        let error = #expect(throws: PoolError.self) {
            try tree([0, 1]).requireReceivable(against: tree([0]), "the layer", remedy: "build it again")
        }
        #expect(
            error?.description.contains("the layer has '/n1', the character device 5:1") == true
                && error?.description.contains("build it again") == true, "\(error?.description ?? "")")
    }

    private func stored(_ tree: Tree, version: Int) -> Tree? {
        var bytes = TreeFile.encode(tree, subvolume: "uuid")
        bytes[Array("dish.layer-tree.".utf8).count] = UInt8(ascii: "0") + UInt8(version)
        bytes.replaceSubrange((bytes.count - 32)..., with: ContentHash.bytes(bytes.dropLast(32)))
        return try? TreeFile.decode(bytes, subvolume: "uuid")
    }
}
