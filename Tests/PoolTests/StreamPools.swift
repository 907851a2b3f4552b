import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// Tests of streams run one after the other, in pools of their own.
@Suite(.serialized, .requiresRoot)
enum Streams {}

extension Streams {
    /// Calls with pools of their own, each on a file, and takes them down.
    static func withPools(_ count: Int = 1, _ body: ([Pool]) async throws -> Void) async throws {
        let registry = PoolRegistry(stateDirectory: try Scratch.make("state"))
        var paths: [String] = []
        func takeDown() { for path in paths { try? registry.destroy(path) } }
        do {
            var pools: [Pool] = []
            for _ in 0..<count {
                let path = try Scratch.make("streams") + "/pool"
                paths.append(path)
                pools.append(try registry.create(path, on: .file(path + ".img"), size: 2 << 30))
            }
            try await body(pools)
            takeDown()
        } catch {
            takeDown()
            throw error
        }
    }
}

extension Pool {
    /// Makes a layer: changes a copy of its parent.
    func makeLayer(
        on parent: LayerID?, packages: LayerID? = nil, label: String = "//test:layer", _ change: (String) throws -> Void
    ) throws -> LayerID {
        let staged = try StagingDirectory(in: self)
        if let origin = packages ?? parent {
            try Subvolume.snapshot(root(of: origin), to: staged.root)
        } else {
            try Subvolume.create(staged.root)
        }
        try change(staged.root)
        let tree = try tree(of: staged, parent: packages ?? parent, latestTime: 1_900_000_000)
        return try publish(staged, tree: tree, parent: parent, packages: packages, label: label).id
    }

    /// The canonical stream of a layer.
    func stream(of layer: LayerID, against base: LayerID?, readsEverything: Bool = false) throws -> [UInt8] {
        var sink = MemorySink()
        try writeStream(of: layer, against: base, to: &sink, readsEverything: readsEverything)
        return sink.bytes
    }

    func receive(_ bytes: [UInt8], _ layer: LayerID, against base: LayerID?) throws -> Layer {
        try receive(MemorySource(bytes), LayerDescription(id: layer, base: base, parent: base, label: "//test:received"))
    }

    var stagingEntries: [String] { (try? Files.list("\(path)/staging")) ?? ["?"] }
}

/// What `btrfs receive` makes of streams, below a directory.
func receiveWithBtrfs(_ bytes: [UInt8], in directory: String) throws {
    let file = try Scratch.make("stream") + "/stream"
    try Files.replace(file, with: bytes, durable: false)
    let result = try Command("/usr/bin/btrfs", ["receive", "-q", "-f", file, directory]).runBlocking()
    try Files.removeTree(Files.parent(of: file))
    guard result.status.isSuccess else { throw FixtureError("btrfs receive: \(result.errorText)") }
}

/// The commands of some streams.
func commands(_ bytes: [UInt8]) throws -> [StreamCommand] {
    var found: [StreamCommand] = []
    try SendStream.forEachCommand(in: bytes.span.bytes) { command, _, _ in found.append(command) }
    return found
}
