import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// Whatever becomes of a stream on its way, and of the disk: nothing partial is ever seen, and the next try ends well.
extension Streams {
    @Suite struct StreamFaultTests {
        private static let rounds = getenv("DISH_STREAM_SEEDS").flatMap { Int(String(cString: $0)) } ?? 6

        private func requireNothing(_ pool: Pool, _ what: String) throws {
            #expect(try pool.allLayers().isEmpty && pool.allNames().isEmpty, "\(what)")
            #expect(pool.stagingEntries == [], "\(what)")
        }

        @Test func anImageCutShortOrDamagedAnywhereLeavesNothing() async throws {
            try await Streams.withPools(2) { pools in
                var random = SeededGenerator(77)
                for seed in 1...Self.rounds {
                    let layer = try pools[0].makeLayer(on: nil) { root in
                        var tree = RandomLayer(root, seed: 500 + seed)
                        try tree.change(60)
                    }
                    let bytes = try pools[0].stream(of: layer, against: nil)
                    for round in 0..<20 {
                        let (position, what) = (Int.random(in: 0..<bytes.count, using: &random), "seed \(seed), round \(round)")
                        var damaged = bytes
                        damaged[position] ^= UInt8.random(in: 1...255, using: &random)
                        for stream in [Array(bytes[..<position]), damaged] {
                            #expect(throws: StreamError.self, "\(what), at \(position)") {
                                try pools[1].receive(stream, layer, against: nil)
                            }
                        }
                        try requireNothing(pools[1], what)
                    }
                    #expect(try pools[1].receive(bytes, layer, against: nil).id == layer)
                    try pools[1].remove(layer)
                }
            }
        }

        @Test func commandsThatAreChangedLeftOutOrRepeatedMakeNoLayer() async throws {
            try await Streams.withPools(2) { pools in
                var random = SeededGenerator(78)
                for seed in 1...Self.rounds {
                    let layer = try pools[0].makeLayer(on: nil) { root in
                        var tree = RandomLayer(root, seed: 600 + seed)
                        try tree.change(60)
                    }
                    var all: [(command: StreamCommand, data: [UInt8])] = []
                    try SendStream.forEachCommand(in: pools[0].stream(of: layer, against: nil).span.bytes) { command, data, _ in
                        all.append((command, data.withUnsafeBytes { Array($0) }))
                    }
                    for round in 0..<20 {
                        var changed = all
                        // Neither the first command nor the last one.
                        let index = Int.random(in: 1..<all.count - 1, using: &random)
                        switch round % 3 {
                        case 0: changed.remove(at: index)
                        case 1: changed.swapAt(index, Int.random(in: 1..<all.count - 1, using: &random))
                        default:
                            guard case .write = changed[index].command else { continue }
                            changed[index].data[0] ^= 1
                        }
                        // It may be that what comes out is the same: then it is the layer.
                        if let made = try? pools[1].receive(try written(changed), layer, against: nil) {
                            #expect(try TreeDigest(of: pools[1].root(of: made.id)).id == layer)
                            try pools[1].remove(layer)
                        }
                        try requireNothing(pools[1], "seed \(seed), round \(round)")
                    }
                }
            }
        }

        private func written(_ commands: [(command: StreamCommand, data: [UInt8])]) throws -> [UInt8] {
            var writer = StreamWriter(MemorySink(), version: 2)
            try writer.begin()
            for (command, data) in commands { try data.withUnsafeBytes { try writer.write(command, data: $0) } }
            try writer.flush()
            return writer.sink.bytes
        }

        /// The digest is computed while files are written: whatever way they were, it is that of what is in them.
        @Test func contentWrittenInAnyOrderIsKnownForWhatItIs() async throws {
            try await Streams.withPools(2) { pools in
                func path(_ text: String) -> [UInt8] { Array(text.utf8) }
                func layer(_ content: [UInt8]) throws -> LayerID {
                    try pools[0].makeLayer(on: nil) { root in
                        try Files.replace("\(root)/f", with: content, durable: false)
                        #expect(link("\(root)/f", "\(root)/g") == 0)
                    }
                }
                let (f, g, uuid) = (path("f"), path("g"), SubvolumeUUID([UInt8](repeating: 7, count: 16))!)
                let data = [UInt8](repeating: 1, count: 5000)
                let ways: [(content: [UInt8], commands: [(StreamCommand, [UInt8])])] = [
                    (Array("one".utf8), [(.write(path: f, offset: 0), path("one"))]),
                    // Backwards, over each other, through another name, with holes, cut and made longer.
                    (path("onetwo"), [(.write(path: f, offset: 3), path("two")), (.write(path: f, offset: 0), path("one"))]),
                    (path("two"), [(.write(path: f, offset: 0), path("one")), (.write(path: f, offset: 0), path("two"))]),
                    (
                        Array("two".utf8),
                        [
                            (.write(path: f, offset: 0), path("one")), (.link(path: g, existing: f), []),
                            (.write(path: g, offset: 0), path("two")),
                        ]
                    ),
                    (
                        Array("one".utf8) + [0, 0] + Array("two".utf8) + [0],
                        [
                            (.write(path: f, offset: 0), path("one")), (.write(path: f, offset: 5), path("two")),
                            (.truncate(path: f, size: 9), []),
                        ]
                    ),
                    (
                        Array("on".utf8) + [0, 0],
                        [
                            (.write(path: f, offset: 0), path("one")), (.truncate(path: f, size: 2), []),
                            (.truncate(path: f, size: 4), []),
                        ]
                    ),
                    // A write of nothing makes no file longer.
                    (Array("one".utf8), [(.write(path: f, offset: 0), path("one")), (.write(path: f, offset: 9), [])]),
                    (
                        Array([UInt8](repeating: 0, count: 4096) + data[4096...]),
                        [(.write(path: f, offset: 0), data), (.fallocate(path: f, mode: 3, offset: 0, length: 4096), [])]
                    ),
                    (
                        Array(data[..<4096] + data[..<4096]),
                        [
                            (.write(path: f, offset: 0), Array(data[..<4096])),
                            (
                                .clone(
                                    path: f, offset: 4096, length: 4096, source: uuid, sourceTransaction: 1, sourcePath: f,
                                    sourceOffset: 0), []
                            ),
                        ]
                    ),
                    ([], []),
                ]
                for (number, way) in ways.enumerated() {
                    let id = try layer(way.content)
                    let whole = try pools[0].stream(of: id, against: nil)
                    // The layer's own stream, with another way to its content.
                    var commands: [(command: StreamCommand, data: [UInt8])] = []
                    try SendStream.forEachCommand(in: whole.span.bytes) { command, data, _ in
                        switch command {
                        case .write, .truncate: break
                        case .link where way.commands.contains(where: { $0.0.name == "link" }): break
                        default: commands.append((command, data.withUnsafeBytes { Array($0) }))
                        }
                        guard case .makeFile = command else { return }
                        for (command, data) in way.commands {
                            if case .clone(_, let offset, let length, _, _, let path, let from) = command {
                                let own = StreamCommand.clone(
                                    path: f, offset: offset, length: length, source: id.streamUUID, sourceTransaction: 1,
                                    sourcePath: path, sourceOffset: from)
                                commands.append((own, data))
                            } else {
                                commands.append((command, data))
                            }
                        }
                    }
                    #expect(try pools[1].receive(written(commands), id, against: nil).id == id, "way \(number)")
                    #expect(try TreeDigest(of: pools[1].root(of: id)).id == id, "way \(number)")
                    try pools[1].remove(id)
                    try pools[0].remove(id)
                }
            }
        }

        @Test func aFullPoolIsAnErrorThatSaysSoAndTheNextTryEndsWell() async throws {
            try await Streams.withPools(2) { pools in
                let layer = try pools[0].makeLayer(on: nil) { root in
                    var random = SeededGenerator(3)
                    let piece = (0..<(1 << 20) / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
                    for number in 0..<96 { try Files.replace("\(root)/\(number)", with: piece, durable: false) }
                }
                try pools[0].name("//test:layer", layer)
                let host = try TestHost()
                let file = try Scratch.make("files") + "/image"
                let sent = try Command(
                    "/bin/sh",
                    [
                        "-c", "exec \"$0\" image send //test:layer --pool \"$1\" > \"$2\"", Programs.path("dish"), pools[0].path,
                        file,
                    ]
                ).runBlocking()
                #expect(sent.status.isSuccess, "\(sent.errorText)")
                let filler = "\(pools[1].path)/filler"
                // Almost none, and in the middle of the layer.
                for room in [1, 48] as [UInt64] {
                    let free = try pools[1].filesystem().space().available
                    let filled = try await Command("/usr/bin/fallocate", ["-l", "\(free - (room << 20))", filler]).run()
                    #expect(filled.status.isSuccess, "\(filled.errorText)")
                    let full = try await host.dish("image", "receive", file, "--pool", pools[1].path)
                    #expect(
                        full.code == 1 && full.errors.contains("the pool at '\(pools[1].path)' is full; make room"), "\(full)")
                    try requireNothing(pools[1], "\(room) MiB")
                    unlink(filler)
                    // Its space is free again with the next commit.
                    try pools[1].filesystem().sync()
                }
                let again = try await host.dish("image", "receive", file, "--pool", pools[1].path)
                #expect(again.code == 0, "\(again)")
                #expect(try pools[1].resolve("//test:layer").id == layer)
            }
        }
    }
}
