import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// What a canonical stream says of two layers is what makes the one of the other, here, elsewhere, and for `btrfs receive`.
extension Streams {
    @Suite struct RoundTripTests {
        /// How many random trees: `DISH_STREAM_SEEDS` sets another number.
        private static let seeds = getenv("DISH_STREAM_SEEDS").flatMap { Int(String(cString: $0)) } ?? 6

        @Test func anyTreeAndAnyChangeComeBackBySomeRoutesAndBitByBitOnTwoPools() async throws {
            try await Streams.withPools(3) { pools in
                let (first, second, stock) = (pools[0], pools[1], pools[2].path + "/stock")
                for seed in 1...Self.seeds {
                    var tree = RandomLayer("", seed: seed)
                    let base = try first.makeLayer(on: nil) { root in
                        tree = tree.moved(to: root)
                        try tree.change(150)
                    }
                    let layer = try first.makeLayer(on: base) { root in
                        tree = tree.moved(to: root)
                        try tree.change(seed % 3 == 0 ? 200 : 40)
                    }
                    let whole = try first.stream(of: base, against: nil)
                    let difference = try first.stream(of: layer, against: base)
                    let alone = try first.stream(of: layer, against: nil)
                    let back = try first.stream(of: base, against: layer)
                    // Reading everything gives the same, and proves what was left out.
                    #expect(try first.stream(of: layer, against: base, readsEverything: true) == difference, "seed \(seed)")
                    // By our own apply, on another pool.
                    #expect(try second.receive(whole, base, against: nil).id == base, "seed \(seed)")
                    #expect(try second.receive(difference, layer, against: base).id == layer, "seed \(seed)")
                    for id in [base, layer] { #expect(try TreeDigest(of: second.root(of: id)).id == id, "seed \(seed)") }
                    // There, the extents, inodes and hence shortcuts are others; the bytes aren't.
                    #expect(try second.stream(of: base, against: nil) == whole, "seed \(seed)")
                    #expect(try second.stream(of: layer, against: base) == difference, "seed \(seed)")
                    #expect(try second.stream(of: layer, against: nil) == alone, "seed \(seed)")
                    #expect(try second.stream(of: base, against: layer) == back, "seed \(seed)")
                    // By btrfs receive.
                    try Files.makeDirectories(stock)
                    try receiveWithBtrfs(whole, in: stock)
                    try receiveWithBtrfs(difference, in: stock)
                    for id in [base, layer] {
                        #expect(try TreeDigest(of: "\(stock)/\(id.hex)").id == id, "seed \(seed), btrfs receive")
                        try Subvolume.delete("\(stock)/\(id.hex)")
                    }
                    // The other way, and without a base, where the layers aren't yet.
                    try second.remove(layer)
                    try second.remove(base)
                    #expect(try second.receive(alone, layer, against: nil).id == layer)
                    #expect(try second.receive(back, base, against: layer).id == base)
                    #expect(second.stagingEntries == [])
                }
            }
        }

        @Test func twoWaysToMakeTheSameLayerGiveTheSameStream() async throws {
            try await Streams.withPools(2) { pools in
                let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 37) }
                func base(_ pool: Pool) throws -> LayerID {
                    try pool.makeLayer(on: nil) { root in
                        try Files.replace("\(root)/data", with: bytes, durable: false)
                        for path in ["/data", "/"] { _ = dish_set_mtime(AT_FDCWD, root + path, 1000) }
                    }
                }
                var changed = bytes
                changed.replaceSubrange(500_000..<500_010, with: repeatElement(9, count: 10))
                // In place: one extent changes. As editors do: another inode, nothing shared.
                let inPlace = try pools[0].makeLayer(on: base(pools[0])) { root in
                    let file = try OwnedFD.open("\(root)/data", O_WRONLY)
                    pwrite(file.number, Array(changed[500_000..<500_010]), 10, 500_000)
                    for path in ["/data", "/"] { _ = dish_set_mtime(AT_FDCWD, root + path, 2000) }
                }
                let replaced = try pools[1].makeLayer(on: base(pools[1])) { root in
                    try Files.replace("\(root)/data", with: changed, durable: false)
                    for path in ["/data", "/"] { _ = dish_set_mtime(AT_FDCWD, root + path, 2000) }
                }
                #expect(inPlace == replaced)
                let base = try base(pools[0])
                let stream = try pools[0].stream(of: inPlace, against: base)
                #expect(try pools[1].stream(of: inPlace, against: base) == stream)
                #expect(stream.count < 6000)
            }
        }

        /// A file that is as large as it says, without the time it takes to write that: a piece, again and again.
        private func makeLarge(_ path: String, pieces: Int, _ random: inout SeededGenerator) throws {
            let file = try OwnedFD.open(path, O_RDWR | O_CREAT | O_TRUNC)
            try Files.write(noise(1 << 20, &random), to: file.number, path)
            for number in 1..<pieces {
                #expect(dish_clone_range(file.number, UInt64(number) << 20, file.number, 0, 1 << 20) == 0)
            }
        }

        private func noise(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
            (0..<count / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
        }

        @Test func aChangedBlockOfAFileOfAGigabyteIsAllThatTravels() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                var random = SeededGenerator(5)
                let base = try pool.makeLayer(on: nil) { try makeLarge("\($0)/large", pieces: 1024, &random) }
                let layer = try pool.makeLayer(on: base) { root in
                    let file = try OwnedFD.open("\(root)/large", O_WRONLY)
                    pwrite(file.number, [1, 2, 3], 3, 123_456_789)
                }
                let stream = try pool.stream(of: layer, against: base)
                #expect(stream.count < 6000)
                #expect(try pool.stream(of: layer, against: base, readsEverything: true) == stream)
                try pool.remove(layer)
                #expect(try pool.receive(stream, layer, against: base).id == layer)
            }
        }

        /// Twenty megabytes change in six hundred, in place and as editors and package managers do it, in whole files.
        @Test func aChangeTravelsAsLittleMoreThanItself() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                var random = SeededGenerator(6)
                let base = try pool.makeLayer(on: nil) { root in
                    for number in 0..<20 { try makeLarge("\(root)/\(number)", pieces: 30, &random) }
                }
                let layer = try pool.makeLayer(on: base) { root in
                    for number in 0..<20 {
                        let path = "\(root)/\(number)"
                        if number % 2 == 0 {
                            let copied = try Command("/bin/cp", ["--reflink=never", path, "\(path).new"]).runBlocking()
                            #expect(copied.status.isSuccess && rename("\(path).new", path) == 0)
                        }
                        let file = try OwnedFD.open(path, O_WRONLY)
                        let piece = noise(1 << 20, &random)
                        #expect(pwrite(file.number, piece, piece.count, off_t(number) << 20) == piece.count)
                    }
                }
                let stream = try pool.stream(of: layer, against: base)
                #expect(Double(stream.count) <= 1.01 * Double(20 << 20), "\(stream.count)")
                try pool.remove(layer)
                #expect(try pool.receive(stream, layer, against: base).id == layer)
            }
        }

        @Test func whatTheBaseHasElsewhereIsRenamedOrCloned() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let bytes = (0..<500_000).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 91 | 1) }
                let base = try pool.makeLayer(on: nil) { root in
                    try Files.makeDirectories("\(root)/old")
                    try Files.replace("\(root)/old/data", with: bytes, durable: false)
                    try Files.replace("\(root)/stays", with: bytes.reversed(), durable: false)
                    try Files.replace("\(root)/linked", with: bytes.map { $0 ^ 0x40 }, durable: false)
                }
                let layer = try pool.makeLayer(on: base) { root in
                    #expect(rename("\(root)/old", "\(root)/new") == 0)
                    try Files.replace("\(root)/copy", with: bytes.reversed(), durable: false)
                    link("\(root)/linked", "\(root)/again")
                }
                let stream = try pool.stream(of: layer, against: base)
                let found = try commands(stream)
                #expect(stream.count < 5000 + 4096)
                #expect(found.filter { $0.name == "rename" }.count == 2)
                #expect(found.contains { $0.name == "clone" })
                try pool.remove(layer)
                #expect(try pool.receive(stream, layer, against: base).id == layer)
            }
        }

        @Test func holesStayHolesAndNewOnesAreMade() async throws {
            try await Streams.withPools(2) { pools in
                func blocks(_ path: String) -> Int {
                    var status = stat()
                    return stat(path, &status) == 0 ? Int(status.st_blocks) : -1
                }
                let base = try pools[0].makeLayer(on: nil) { root in
                    let file = try OwnedFD.open("\(root)/sparse", O_WRONLY | O_CREAT)
                    for offset in [0, 100_000_000, 300_000_000] { pwrite(file.number, Array("data".utf8), 4, off_t(offset)) }
                    ftruncate(file.number, 1 << 29)
                    try Files.replace("\(root)/full", with: [UInt8](repeating: 7, count: 1 << 20), durable: false)
                }
                let layer = try pools[0].makeLayer(on: base) { root in
                    let file = try OwnedFD.open("\(root)/full", O_WRONLY)
                    pwrite(file.number, [UInt8](repeating: 0, count: 1 << 19), 1 << 19, 8192)
                }
                let whole = try pools[0].stream(of: base, against: nil)
                #expect(whole.count < (1 << 20) + 20_000)
                _ = try pools[1].receive(whole, base, against: nil)
                try pools[1].filesystem().sync()
                #expect(blocks("\(pools[1].root(of: base))/sparse") <= 24 + 8)
                let difference = try pools[0].stream(of: layer, against: base)
                #expect(difference.count < 1000)
                _ = try pools[1].receive(difference, layer, against: base)
                #expect(blocks("\(pools[1].root(of: layer))/full") <= 1024)
            }
        }
    }
}
