import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// Streams that somebody wrote to harm: refused, or confined to the tree they make.
extension Streams {
    @Suite struct HostileStreamTests {
        private static let uuid = SubvolumeUUID([UInt8](repeating: 7, count: 16))!

        /// A tree to apply to, beside things that nobody may touch.
        private final class Target {
            let outside: String
            let root: String
            let applier: TreeApplier

            init(_ pool: Pool) throws {
                let folder = "\(pool.path)/staging/hostile-\(UInt32.random(in: 0 ... .max))"
                outside = "\(folder)/outside"
                root = "\(folder)/root"
                try Files.makeDirectories(outside)
                try Files.replace("\(outside)/secret", with: "secret".utf8, mode: 0o600, durable: false)
                try Subvolume.create(root)
                applier = try TreeApplier(
                    try OwnedFD.open(root, O_RDONLY | O_DIRECTORY), uuid: HostileStreamTests.uuid, sources: [:])
            }

            func apply(_ command: StreamCommand, _ data: [UInt8] = []) throws {
                try applier.apply(command, data.span.bytes, at: 99)
            }

            /// Whether all outside is as it was.
            var isOutsideUntouched: Bool {
                var status = stat()
                return (try? Files.list(outside)) == ["secret"] && (try? Files.readText("\(outside)/secret")) == "secret"
                    && stat("\(outside)/secret", &status) == 0 && status.st_mode & 0o7777 == 0o600 && status.st_nlink == 1
                    && status.st_uid == 0
            }
        }

        private func withTarget(_ body: (Target) throws -> Void) async throws {
            try await Streams.withPools { pools in
                let target = try Target(pools[0])
                try body(target)
                #expect(target.isOutsideUntouched)
            }
        }

        private func path(_ text: String) -> [UInt8] { Array(text.utf8) }

        private func expectRefused(_ target: Target, _ command: StreamCommand, _ data: [UInt8] = []) {
            #expect(throws: StreamError.self, "\(command)") { try target.apply(command, data) }
        }

        @Test func pathsThatLeadOutAreRefusedInEveryCommand() async throws {
            try await withTarget { target in
                try target.apply(.makeFile(path: path("f"), inode: nil))
                let long = String(repeating: "x", count: 256)
                for bad in ["../outside/secret", "/etc/passwd", "a/../../outside/secret", "..", ".", "./f", "a//b", "f/", long] {
                    let bad = path(bad)
                    let time = StreamCommand.Time(seconds: 0, nanoseconds: 0)
                    let all: [StreamCommand] = [
                        .makeFile(path: bad, inode: nil), .makeDirectory(path: bad, inode: nil),
                        .makeNode(path: bad, inode: nil, mode: UInt64(S_IFCHR), device: 0),
                        .makeFIFO(path: bad, inode: nil), .makeSocket(path: bad, inode: nil),
                        .makeSymlink(path: bad, inode: nil, target: path("x")), .rename(path: bad, to: path("g")),
                        .rename(path: path("f"), to: bad), .link(path: bad, existing: path("f")),
                        .link(path: path("g"), existing: bad), .unlink(path: bad), .removeDirectory(path: bad),
                        .setAttribute(path: bad, name: path("user.x"), value: []),
                        .removeAttribute(path: bad, name: path("user.x")), .write(path: bad, offset: 0),
                        .clone(
                            path: path("f"), offset: 0, length: 4096, source: Self.uuid, sourceTransaction: 1, sourcePath: bad,
                            sourceOffset: 0), .truncate(path: bad, size: 0), .setMode(path: bad, mode: 0o777),
                        .setOwner(path: bad, user: 1, group: 1),
                        .setTimes(path: bad, access: time, modification: time, change: time, birth: nil),
                        .fallocate(path: bad, mode: 0, offset: 0, length: 1), .setFlags(path: bad, flags: 0),
                        .enableVerity(path: bad, algorithm: 1, blockSize: 4096, salt: [], signature: []),
                    ]
                    for command in all { expectRefused(target, command) }
                }
                // The root itself is no name.
                for command: StreamCommand in [
                    .unlink(path: []), .removeDirectory(path: []), .rename(path: [], to: path("g")),
                    .makeFile(path: [], inode: nil),
                ] { expectRefused(target, command) }
                #expect(try Files.list(target.root) == ["f"])
            }
        }

        @Test func linksToDirectoriesAreNotFollowed() async throws {
            try await withTarget { target in
                for (name, destination) in [("absolute", target.outside), ("relative", "../outside"), ("up", "..")] {
                    try target.apply(.makeSymlink(path: path(name), inode: nil, target: path(destination)))
                }
                try target.apply(.makeFile(path: path("f"), inode: nil))
                for name in ["absolute", "relative", "up"] {
                    let inside = path("\(name)/secret")
                    let all: [StreamCommand] = [
                        .makeFile(path: path("\(name)/new"), inode: nil), .write(path: inside, offset: 0), .unlink(path: inside),
                        .setMode(path: inside, mode: 0o666), .setOwner(path: inside, user: 5, group: 5),
                        .setAttribute(path: inside, name: path("user.x"), value: []), .truncate(path: inside, size: 0),
                        .link(path: path("mine"), existing: inside), .rename(path: inside, to: path("mine")),
                        .rename(path: path("f"), to: path("\(name)/f")), .makeDirectory(path: path("\(name)/d"), inode: nil),
                        .removeDirectory(path: path(name)),
                    ]
                    for command in all { #expect(throws: (any Error).self) { try target.apply(command, [1]) } }
                }
            }
        }

        @Test func linksToFilesAreNotFollowedEither() async throws {
            try await withTarget { target in
                try target.apply(.makeSymlink(path: path("l"), inode: nil, target: path(target.outside + "/secret")))
                expectRefused(target, .write(path: path("l"), offset: 0), [1])
                expectRefused(target, .truncate(path: path("l"), size: 0))
                #expect(throws: (any Error).self) { try target.apply(.setMode(path: path("l"), mode: 0o777)) }
                try target.apply(.setOwner(path: path("l"), user: 5, group: 5))
                #expect(throws: (any Error).self) {
                    try target.apply(.setAttribute(path: path("l"), name: path("user.x"), value: []))
                }
                // A further name of the link is one of the link, not of what it points to.
                try target.apply(.link(path: path("again"), existing: path("l")))
                var status = stat()
                #expect(lstat("\(target.root)/again", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
            }
        }

        @Test func aDirectoryThatBecomesALinkIsNotWrittenThrough() async throws {
            try await withTarget { target in
                try target.apply(.makeDirectory(path: path("d"), inode: nil))
                try target.apply(.makeDirectory(path: path("d/e"), inode: nil))
                try target.apply(.makeFile(path: path("d/e/f"), inode: nil))
                try target.apply(.rename(path: path("d"), to: path("moved")))
                try target.apply(.makeSymlink(path: path("d"), inode: nil, target: path("..")))
                #expect(throws: (any Error).self) { try target.apply(.makeFile(path: path("d/e/g"), inode: nil)) }
                #expect(throws: (any Error).self) { try target.apply(.makeFile(path: path("d/outside/g"), inode: nil)) }
                #expect(throws: (any Error).self) { try target.apply(.write(path: path("d/e/f"), offset: 0), [1]) }
                #expect(try Files.list("\(target.root)/moved/e") == ["f"])
            }
        }

        @Test func devicesOfTheHostAreRefused() async throws {
            try await withTarget { target in
                for (mode, device) in [(S_IFBLK, 0x700), (S_IFCHR, 0x101), (S_IFCHR, 0xae8), (S_IFBLK, 0)] as [(mode_t, UInt64)] {
                    let error = #expect(throws: StreamError.self) {
                        try target.apply(.makeNode(path: path("node"), inode: nil, mode: UInt64(mode | 0o666), device: device))
                    }
                    #expect(error?.code == .refused && error?.reason.contains("'/node' is the") == true, "\(error?.reason ?? "")")
                    var status = stat()
                    #expect(lstat("\(target.root)/node", &status) != 0)
                }
            }
        }

        @Test func harmlessDevicesAndPipesAreLegalAndNeverOpened() async throws {
            try await withTarget { target in
                try target.apply(.makeNode(path: path("null"), inode: nil, mode: UInt64(S_IFCHR | 0o666), device: 0x103))
                try target.apply(.makeNode(path: path("whiteout"), inode: nil, mode: UInt64(S_IFCHR), device: 0))
                try target.apply(.makeFIFO(path: path("fifo"), inode: nil))
                for name in ["null", "whiteout", "fifo"] {
                    expectRefused(target, .write(path: path(name), offset: 0), [1])
                    expectRefused(target, .truncate(path: path(name), size: 0))
                    expectRefused(target, .fallocate(path: path(name), mode: 0, offset: 0, length: 1))
                    try target.apply(.setMode(path: path(name), mode: 0o4777))
                }
                var status = stat()
                #expect(lstat("\(target.root)/null", &status) == 0)
                #expect(status.st_mode == S_IFCHR | 0o4777 && status.st_rdev == dev_t(dish_makedev(1, 3)))
                expectRefused(target, .makeNode(path: path("dir"), inode: nil, mode: UInt64(S_IFDIR), device: 0))
            }
        }

        @Test func setIDBitsAndCapabilitiesAreLegal() async throws {
            try await withTarget { target in
                try target.apply(.makeFile(path: path("su"), inode: nil))
                try target.apply(.setOwner(path: path("su"), user: 0, group: 7))
                try target.apply(.setMode(path: path("su"), mode: 0o100_6755))
                let capability = [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)
                try target.apply(.setAttribute(path: path("su"), name: path("security.capability"), value: capability))
                var status = stat()
                #expect(lstat("\(target.root)/su", &status) == 0 && status.st_mode & 0o7777 == 0o6755)
            }
        }

        @Test func onlyWhatTheStreamIsAgainstCanBeClonedFrom() async throws {
            try await withTarget { target in
                try target.apply(.makeFile(path: path("f"), inode: nil))
                let other = SubvolumeUUID([UInt8](repeating: 8, count: 16))!
                expectRefused(
                    target,
                    .clone(
                        path: path("f"), offset: 0, length: 4096, source: other, sourceTransaction: 1, sourcePath: path("f"),
                        sourceOffset: 0))
                expectRefused(target, .subvolume(path: path("x"), uuid: other, transaction: 1, note: nil))
                expectRefused(
                    target,
                    .snapshot(path: path("x"), uuid: other, transaction: 1, source: other, sourceTransaction: 1, note: nil))
                expectRefused(target, .updateExtent(path: path("f"), offset: 0, length: 1))
            }
        }

        @Test func numbersBeyondAllBoundsAreErrorsAndNoCrash() async throws {
            try await withTarget { target in
                try target.apply(.makeFile(path: path("f"), inode: nil))
                let most = UInt64.max
                let time = StreamCommand.Time(seconds: .max, nanoseconds: .max)
                let all: [StreamCommand] = [
                    .write(path: path("f"), offset: most), .write(path: path("f"), offset: UInt64(Int64.max)),
                    .truncate(path: path("f"), size: most),
                    .fallocate(path: path("f"), mode: .max, offset: most, length: most),
                    .fallocate(path: path("f"), mode: 0, offset: 1 << 62, length: 1 << 62),
                    .setOwner(path: path("f"), user: most, group: most),
                    .setTimes(path: path("f"), access: time, modification: time, change: time, birth: nil),
                    .clone(
                        path: path("f"), offset: most, length: most, source: Self.uuid, sourceTransaction: most,
                        sourcePath: path("f"), sourceOffset: most),
                    .setAttribute(path: path("f"), name: path("user.huge"), value: [UInt8](repeating: 1, count: 65_000)),
                    .setAttribute(path: path("f"), name: path("user." + String(repeating: "n", count: 300)), value: []),
                    .setAttribute(path: path("f"), name: path("nonsense"), value: []),
                    .makeSymlink(path: path("l"), inode: nil, target: [UInt8](repeating: 65, count: 60_000)),
                    .makeSymlink(path: path("l"), inode: nil, target: []),
                    .enableVerity(path: path("f"), algorithm: 255, blockSize: .max, salt: [1], signature: [2]),
                ]
                for command in all { #expect(throws: (any Error).self, "\(command)") { try target.apply(command, [1]) } }
            }
        }

        @Test func compressedDataCannotGrowBeyondAnExtent() async throws {
            try await withTarget { target in
                try target.apply(.makeFile(path: path("f"), inode: nil))
                func extent(_ fileLength: UInt64, _ length: UInt64, start: UInt64 = 0, compression: UInt32 = 2) -> StreamCommand {
                    .encodedWrite(
                        path: path("f"),
                        .init(
                            offset: 0, fileLength: fileLength, length: length, start: start, compression: compression,
                            encryption: 0))
                }
                let garbage = [UInt8](repeating: 0xaa, count: 4096)
                for command in [
                    extent(1 << 40, 1 << 40), extent(131_073, 131_073), extent(10, 5), extent(10, 20, start: 15),
                    extent(.max, 4096, start: .max), extent(0, 4096), extent(4096, 4096, compression: 99),
                ] { expectRefused(target, command, garbage) }
                // What isn't compressed at all is found when it is decompressed.
                let plain = try TreeApplier(
                    try OwnedFD.open(target.root, O_RDONLY | O_DIRECTORY), uuid: Self.uuid, sources: [:], decompresses: true)
                for compression in UInt32(1)...7 {
                    #expect(throws: StreamError.self) {
                        try plain.apply(extent(4096, 4096, compression: compression), garbage.span.bytes, at: 0)
                    }
                }
            }
        }

        @Test func deepTreesAndNamesOfAllBytesAreMade() async throws {
            try await withTarget { target in
                var deep = ""
                for level in 0..<400 {
                    deep += (level == 0 ? "" : "/") + "d"
                    try target.apply(.makeDirectory(path: path(deep), inode: nil))
                }
                let name = (1...255).map { UInt8($0) }.filter { $0 != UInt8(ascii: "/") } + [65]
                try target.apply(.makeFile(path: path("d/") + name, inode: nil))
                #expect(try Files.list("\(target.root)/d").count == 2)
            }
        }

        @Test func aStreamThatMakesSomethingElseIsNoLayerAndLeavesNothing() async throws {
            try await Streams.withPools(2) { pools in
                let one = try pools[0].makeLayer(on: nil) { try Files.replace("\($0)/f", with: "one".utf8, durable: false) }
                let other = try pools[0].makeLayer(on: nil) { try Files.replace("\($0)/f", with: "two".utf8, durable: false) }
                var bytes = try pools[0].stream(of: one, against: nil)
                // The right name on the wrong content.
                var writer = StreamWriter(MemorySink(), version: 2)
                try writer.begin()
                try SendStream.forEachCommand(in: bytes.span.bytes) { command, data, _ in
                    var command = command
                    if case .subvolume(let path, _, let transaction, let note) = command {
                        command = .subvolume(path: path, uuid: other.streamUUID, transaction: transaction, note: note)
                    }
                    try data.withUnsafeBytes { try writer.write(command, data: $0) }
                }
                try writer.flush()
                #expect(throws: PoolError.self) { try pools[1].receive(writer.sink.bytes, other, against: nil) }
                // Another layer's stream, a damaged one, one cut short, one with more behind it.
                #expect(throws: StreamError.self) { try pools[1].receive(bytes, other, against: nil) }
                #expect(throws: StreamError.self) { try pools[1].receive(bytes + bytes, one, against: nil) }
                #expect(throws: StreamError.self) { try pools[1].receive(Array(bytes.dropLast(3)), one, against: nil) }
                bytes[bytes.count / 2] ^= 1
                #expect(throws: StreamError.self) { try pools[1].receive(bytes, one, against: nil) }
                #expect(pools[1].stagingEntries == [])
                for pool in pools {
                    let left = try pool.filesystem().subvolumes().filter { $0.path.contains("staging") }
                    #expect(left.isEmpty)
                }
            }
        }
    }
}
