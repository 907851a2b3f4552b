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

        private func randomLayer(_ pool: Pool, seed: Int) throws -> LayerID {
            try pool.makeLayer(on: nil) { root in
                var tree = RandomLayer(root, seed: seed)
                try tree.change(60)
            }
        }

        @Test func anImageCutShortOrDamagedAnywhereLeavesNothing() async throws {
            try await Streams.withPools(2) { pools in
                var random = SeededGenerator(77)
                for seed in 1...Self.rounds {
                    let layer = try randomLayer(pools[0], seed: 500 + seed)
                    let bytes = try pools[0].stream(of: layer, against: nil)
                    for _ in 0..<20 {
                        try refuse(bytes, damagedAt: Int.random(in: 0..<bytes.count, using: &random), layer, pools[1])
                    }
                    #expect(try pools[1].receive(bytes, layer, against: nil).id == layer)
                    try pools[1].remove(layer)
                }
            }
        }

        private func refuse(_ bytes: [UInt8], damagedAt position: Int, _ layer: LayerID, _ pool: Pool) throws {
            let short = Array(bytes[..<position])
            var damaged = bytes
            damaged[position] ^= 0x41
            let other = damaged
            #expect(throws: StreamError.self, "cut at \(position)") { try pool.receive(short, layer, against: nil) }
            #expect(throws: StreamError.self, "damaged at \(position)") { try pool.receive(other, layer, against: nil) }
            try requireNothing(pool, "at \(position)")
        }

        @Test func commandsThatAreChangedLeftOutOrSwappedMakeNoOtherLayer() async throws {
            try await Streams.withPools(2) { pools in
                var random = SeededGenerator(78)
                for seed in 1...Self.rounds {
                    let layer = try randomLayer(pools[0], seed: 600 + seed)
                    let stream = try pools[0].stream(of: layer, against: nil)
                    for round in 0..<20 {
                        let changed = try spoilt(stream, round, &random)
                        try receiveIfItIs(layer, changed, pools[1])
                        try requireNothing(pools[1], "seed \(seed), round \(round)")
                    }
                }
            }
        }

        /// A stream whose checksums are right, and one of whose commands is gone, elsewhere, or has other data.
        private func spoilt(_ stream: [UInt8], _ round: Int, _ random: inout SeededGenerator) throws -> [UInt8] {
            var all: [(command: StreamCommand, data: [UInt8])] = []
            try SendStream.forEachCommand(in: stream.span.bytes) { command, data, _ in
                all.append((command, data.withUnsafeBytes { Array($0) }))
            }
            // Neither the first command nor the last one.
            let index = Int.random(in: 1..<all.count - 1, using: &random)
            if round % 3 == 0 {
                all.remove(at: index)
            } else if round % 3 == 1 {
                all.swapAt(index, Int.random(in: 1..<all.count - 1, using: &random))
            } else if let write = all.indices.first(where: { $0 >= index && all[$0].command.name == "write" }) {
                all[write].data[0] ^= 1
            }
            return try written(all)
        }

        /// It may be that what comes out is the same: then it is the layer.
        private func receiveIfItIs(_ layer: LayerID, _ stream: [UInt8], _ pool: Pool) throws {
            do { _ = try pool.receive(stream, layer, against: nil) } catch { return }
            #expect(try TreeDigest(of: pool.root(of: layer)).id == layer)
            try pool.remove(layer)
        }

        private func written(_ commands: [(command: StreamCommand, data: [UInt8])]) throws -> [UInt8] {
            var writer = StreamWriter(MemorySink(), version: 2)
            try writer.begin()
            for (command, data) in commands { try data.withUnsafeBytes { try writer.write(command, data: $0) } }
            try writer.flush()
            return writer.sink.bytes
        }

        /// A way to write a file `f`, and what is in it then.
        private struct Way {
            let content: [UInt8]
            let commands: [Written]

            init(_ content: [UInt8], _ commands: Written...) {
                self.content = content
                self.commands = commands
            }
        }

        private struct Written {
            let command: StreamCommand
            let data: [UInt8]

            static func write(_ text: String, at offset: UInt64, to path: String = "f") -> Written {
                bytes(Array(text.utf8), at: offset, to: path)
            }

            static func bytes(_ data: [UInt8], at offset: UInt64, to path: String = "f") -> Written {
                Written(command: .write(path: Array(path.utf8), offset: offset), data: data)
            }

            static func truncate(_ size: UInt64) -> Written {
                Written(command: .truncate(path: Array("f".utf8), size: size), data: [])
            }

            static let link = Written(command: .link(path: Array("g".utf8), existing: Array("f".utf8)), data: [])
            static let punch = Written(
                command: .fallocate(path: Array("f".utf8), mode: 3, offset: 0, length: 4096), data: [])
        }

        private static let block = [UInt8](repeating: 1, count: 4096)

        private static let ways = [
            Way(Array("one".utf8), .write("one", at: 0)),
            // Backwards, over each other, through another name, with holes, cut and made longer, by nothing, and punched.
            Way(Array("onetwo".utf8), .write("two", at: 3), .write("one", at: 0)),
            Way(Array("two".utf8), .write("one", at: 0), .write("two", at: 0)),
            Way(Array("two".utf8), .write("one", at: 0), .link, .write("two", at: 0, to: "g")),
            Way(Array("one\0\0two\0".utf8), .write("one", at: 0), .write("two", at: 5), .truncate(9)),
            Way(Array("on\0\0".utf8), .write("one", at: 0), .truncate(2), .truncate(4)),
            Way(Array("one".utf8), .write("one", at: 0), .write("", at: 9)),
            Way([UInt8](repeating: 0, count: 4096) + block, .bytes(block + block, at: 0), .punch),
            Way([]),
        ]

        /// The digest is computed while files are written: whatever way they were, it is that of what is in them.
        @Test func contentWrittenInAnyOrderIsKnownForWhatItIs() async throws {
            try await Streams.withPools(2) { pools in
                for (number, way) in Self.ways.enumerated() {
                    let id = try pools[0].makeLayer(on: nil) { root in
                        try Files.replace("\(root)/f", with: way.content, durable: false)
                        #expect(link("\(root)/f", "\(root)/g") == 0)
                    }
                    let stream = try written(commands(pools[0].stream(of: id, against: nil), writing: way))
                    #expect(try pools[1].receive(stream, id, against: nil).id == id, "way \(number)")
                    #expect(try TreeDigest(of: pools[1].root(of: id)).id == id, "way \(number)")
                    try pools[1].remove(id)
                    try pools[0].remove(id)
                }
            }
        }

        /// A layer's stream with another way to its content.
        private func commands(_ stream: [UInt8], writing way: Way) throws -> [(command: StreamCommand, data: [UInt8])] {
            var all: [(command: StreamCommand, data: [UInt8])] = []
            let isLinked = way.commands.contains { $0.command.name == "link" }
            try SendStream.forEachCommand(in: stream.span.bytes) { command, data, _ in
                if ["write", "truncate"].contains(command.name) || isLinked && command.name == "link" { return }
                all.append((command, data.withUnsafeBytes { Array($0) }))
                if case .makeFile = command { all += way.commands.map { ($0.command, $0.data) } }
            }
            return all
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
                for room: UInt64 in [1, 48] {
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
                #expect(try pools[1].resolve(layer.hex).id == layer)
            }
        }
    }
}
