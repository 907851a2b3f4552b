import Glibc
import Linux
import Testing

@testable import Layers

/// A program inside a task decides how large its tree is; who asks for it over the network gets what fits.
@Suite struct TreeBudgetTests {
    private func flat(_ count: Int) throws -> TestTree {
        let tree = try TestTree()
        for index in 0..<count { try tree.file("name-\(index)", "") }
        return tree
    }

    private func isTooLarge(nodes: Int = .max, bytes: Int = .max, _ body: () throws -> Void) throws -> Bool {
        do {
            try TreeBudget.$current.withValue(TreeBudget(nodes: nodes, bytes: bytes), operation: body)
            return false
        } catch is TreeTooLarge {
            return true
        }
    }

    @Test func aFlatDirectoryEndsAtTheNumberOfNodes() throws {
        let tree = try flat(300)
        #expect(try !isTooLarge(nodes: 300) { _ = try Tree(of: tree.root) })
        #expect(try isTooLarge(nodes: 299) { _ = try Tree(of: tree.root) })
        // Without a budget, as for a build, all of it is read.
        #expect(try Tree(of: tree.root).count == 301)
    }

    @Test func namesPathsTargetsAndAttributesEndAtTheNumberOfBytes() throws {
        let tree = try flat(10)
        #expect(try isTooLarge(bytes: 59) { _ = try Tree(of: tree.root) })
        #expect(try !isTooLarge(bytes: 400) { _ = try Tree(of: tree.root) })
        try tree.link("link", to: String(repeating: "t", count: 400))
        #expect(try isTooLarge(bytes: 400) { _ = try Tree(of: tree.root) })
        #expect(try !isTooLarge(bytes: 1000) { _ = try Tree(of: tree.root) })
        guard try tree.attribute("name-1", "user.large", String(repeating: "v", count: 1000)) else { return }
        #expect(try isTooLarge(bytes: 1000) { _ = try Tree(of: tree.root) })
    }

    @Test func aComparisonAndAStoredTreeEndThereToo() throws {
        let source = try flat(300)
        let tree = try Tree(of: source.root)
        #expect(try isTooLarge(bytes: 1000) { _ = try tree.changes(from: .empty) })
        #expect(try isTooLarge(bytes: 1000) { _ = try Tree.empty.changes(from: tree) })
        #expect(try !isTooLarge(bytes: 10_000) { _ = try tree.changes(from: .empty) })
        let bytes = TreeFile.encode(tree, subvolume: "uuid")
        #expect(try isTooLarge(nodes: 300) { _ = try TreeFile.decode(bytes, subvolume: "uuid") })
        #expect(try !isTooLarge(nodes: 301) { _ = try TreeFile.decode(bytes, subvolume: "uuid") })
        let directory = try TestTree()
        let path = "\(directory.root)/tree"
        try Files.replace(path, with: bytes, durable: false)
        #expect(try isTooLarge(nodes: 1, bytes: 1000) { _ = try TreeFile.read(path, subvolume: "uuid") })
        #expect(try TreeFile.read(path, subvolume: "uuid")?.count == 301)
    }

    @Test func cancelledWorkEndsWithinADirectoryAndAComparison() throws {
        let source = try flat(300)
        let tree = try Tree(of: source.root)
        let directory = try OwnedFD.open(source.root, O_RDONLY | O_DIRECTORY)
        let number = directory.number
        let cancellation = Cancellation()
        cancellation.cancel()
        Cancellation.joining(cancellation) {
            var meter = TreeMeter()
            #expect(throws: CancellationError.self) { try DirectoryNames(of: number, &meter) { "" } }
            #expect(throws: CancellationError.self) { try tree.changes(from: .empty) }
            #expect(throws: CancellationError.self) {
                try TreeFile.decode(TreeFile.encode(tree, subvolume: "uuid"), subvolume: "uuid")
            }
        }
    }
}
