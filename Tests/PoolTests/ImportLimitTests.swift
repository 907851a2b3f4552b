import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// What comes in costs no more than it is worth, brings nothing that opens the host, and is called what the receiver says.
extension Streams {
    @Suite struct ImportLimitTests {
        /// Writes one byte.
        private func put(_ path: String, _ byte: UInt8, at offset: Int64) throws {
            let file = try OwnedFD.open(path, O_WRONLY)
            #expect(pwrite(file.number, [byte], 1, off_t(offset)) == 1)
        }

        /// A file in which nearly all is hole.
        private func makeHole(_ path: String, _ size: Int64 = .max) throws {
            let file = try OwnedFD.open(path, O_WRONLY | O_CREAT)
            let number = file.number
            try retryingInterrupts("set size of", path) { ftruncate(number, off_t(size)) }
        }

        /// A file of 2^63-1 bytes kept a processor busy for as long as anybody would wait, wherever content was read.
        @Test func aHoleCostsNothingWhereverContentIsRead() async throws {
            try await Streams.withPools(2) { pools in
                let start = ContinuousClock.now
                let base = try pools[0].makeLayer(on: nil) { root in
                    try makeHole("\(root)/sparse")
                    try makeHole("\(root)/other")
                    try put("\(root)/sparse", 1, at: 1 << 40)
                }
                // One changed offset, one moved end, one new file like an old one.
                let changed = try pools[0].makeLayer(on: base) { root in
                    try put("\(root)/sparse", 2, at: 1 << 41)
                    try makeHole("\(root)/other", 1 << 50)
                    try makeHole("\(root)/new")
                    try put("\(root)/new", 3, at: 1 << 62)
                }
                let first = try pools[0].stream(of: base, against: nil)
                let second = try pools[0].stream(of: changed, against: base)
                #expect(first.count < 10_000 && second.count < 10_000, "\(first.count) and \(second.count) bytes")
                #expect(try pools[1].receive(first, base, against: nil).id == base)
                #expect(try pools[1].receive(second, changed, against: base).id == changed)
                #expect(try pools[1].stream(of: changed, against: base) == second)
                #expect(try pools[1].tree(of: changed).changes(from: pools[1].tree(of: base)).count == 3)
                _ = try pools[0].createVolume("v", size: nil)
                try makeHole("\(pools[0].data(ofVolume: "v"))/sparse")
                let earlier = try pools[0].snapshotVolume("v", as: "a").snapshot
                try put("\(pools[0].data(ofVolume: "v"))/sparse", 1, at: 1 << 30)
                let later = try pools[0].snapshotVolume("v", as: "b").snapshot
                for (snapshot, since) in [(earlier, nil), (later, earlier)] as [(VolumeSnapshot, VolumeSnapshot?)] {
                    var sink = MemorySink()
                    try pools[0].writeVolume("v", snapshot, since: since, to: &sink)
                    let received = try pools[1].receiveVolume(MemorySource(sink.bytes), as: "v")
                    #expect(received.snapshot.id == snapshot.id && received.data == .followed)
                }
                #expect(try pools[0].momentsWithChanges(of: .volume("v")).count == 3)
                #expect(ContinuousClock.now - start < .seconds(20))
            }
        }

        @Test func aStreamThatClonesWithoutEndIsRefused() async throws {
            try await Streams.withPools { pools in
                let base = try pools[0].makeLayer(on: nil) { root in
                    // A hole is no data.
                    try makeHole("\(root)/data", 1 << 50)
                }
                let id = try #require(LayerID(String(repeating: "ab", count: 32)))
                var writer = StreamWriter(MemorySink(), version: 2)
                try writer.begin()
                let name = Array("x".utf8)
                try writer.write(
                    .snapshot(
                        path: name, uuid: id.streamUUID, transaction: 1, source: base.streamUUID, sourceTransaction: 1, note: nil)
                )
                try writer.write(.makeFile(path: name, inode: 300))
                for number in 0..<100 as Range<UInt64> {
                    try writer.write(
                        .clone(
                            path: name, offset: number << 30, length: 1 << 30, source: base.streamUUID, sourceTransaction: 1,
                            sourcePath: Array("data".utf8), sourceOffset: 0))
                }
                try writer.write(.end)
                try writer.flush()
                let error = #expect(throws: (any Error).self) { try pools[0].receive(writer.sink.bytes, id, against: base) }
                #expect(error.map { "\($0)" }?.contains("clones far more data") == true, "\(error.map { "\($0)" } ?? "")")
                #expect(pools[0].stagingEntries == [])
            }
        }

        @Test func devicesAreLeftOutOfEveryLayer() async throws {
            try await Streams.withPools { pools in
                func make(_ nodes: [(String, mode_t, UInt32, UInt32)]) throws -> (LayerID, LeftOutNodes, Tree) {
                    let staged = try StagingDirectory(in: pools[0])
                    try Subvolume.create(staged.root)
                    for directory in ["a", "a/b", "dev"] { try Files.makeDirectories("\(staged.root)/\(directory)") }
                    try Files.replace("\(staged.root)/a/file", with: [1], durable: false)
                    for (path, type, major, minor) in nodes {
                        #expect(mknod("\(staged.root)/\(path)", type | 0o666, dev_t(dish_makedev(major, minor))) == 0)
                    }
                    if !nodes.isEmpty { #expect(link("\(staged.root)/a/b/disk", "\(staged.root)/a/further") == 0) }
                    for path in ["a/b", "a/file", "a", "dev", "."] {
                        _ = dish_set_mtime(AT_FDCWD, "\(staged.root)/\(path)", 1_600_000_000)
                    }
                    let tree = try pools[0].tree(of: staged, parent: nil)
                    let read = try Tree(of: staged.root)
                    let layer = try pools[0].publish(staged, tree: tree, parent: nil, label: "//test:devices")
                    #expect(TreeDigest(read).id == layer.id)
                    return (layer.id, staged.leftOut, tree)
                }
                let (plain, none, tree) = try make([])
                #expect(none.isEmpty && tree.count == 5)
                let (layer, leftOut, _) = try make([
                    ("a/b/disk", S_IFBLK, 8, 0), ("dev/mem", S_IFCHR, 1, 1), ("dev/kvm", S_IFCHR, 10, 232),
                ])
                #expect(layer == plain)
                #expect(leftOut.count == 4 && leftOut.paths == ["/a/b/disk", "/a/further", "/dev/kvm", "/dev/mem"])
            }
        }

        private static let archiveScript = """
            set -e
            cd "$0"
            mkdir -p tree/srv
            truncate -s 1E tree/sparse 2>/dev/null || truncate -s 1152921504606846976 tree/sparse
            echo text > tree/srv/file
            mknod tree/srv/disk b 7 0
            tar --sparse -C tree -cf layer.tar sparse srv
            digest=$(sha256sum layer.tar | cut -d' ' -f1)
            printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
              $(dpkg --print-architecture) $digest > config.json
            printf '[{"Config":"config.json","RepoTags":["registry.example/app:1"],"Layers":["layer.tar"]}]' > manifest.json
            tar -cf image.tar manifest.json config.json layer.tar
            """

        @Test func anArchiveTakesNoNameAndNoDeviceAndItsHolesCostNothing() async throws {
            try await Streams.withPools { pools in
                let folder = "\(pools[0].path)/cache/archive"
                try Files.makeDirectories(folder)
                let made = try await Command("/bin/sh", ["-c", Self.archiveScript, folder]).run()
                try #require(made.status.isSuccess, "\(made.errorText)")
                let policy = try Scratch.make("policy") + "/policy.json"
                let host = try TestHost(environment: ["DISH_POLICY": policy])
                func run(_ arguments: String...) async throws -> Outcome {
                    try await host.dish(arguments: ["image"] + arguments + ["--pool", pools[0].path])
                }
                let start = ContinuousClock.now
                let source = "docker-archive:\(folder)/image.tar"
                let imported = try await run("import", source)
                #expect(ContinuousClock.now - start < .seconds(20))
                try #require(imported.code == 0, "\(imported)")
                #expect(imported.errors.contains("devices left out: /srv/disk"), "\(imported)")
                #expect(imported.errors.contains("the image has no name"), "\(imported)")
                let id = try #require(LayerID(String(imported.output.prefix(64))))
                #expect(try pools[0].allNames().isEmpty && Files.exists("\(pools[0].root(of: id))/srv/file"))
                #expect(!Files.exists("\(pools[0].root(of: id))/srv/disk"))
                // The file's name is taken when that is asked for, never from another layer.
                let other = try pools[0].makeLayer(on: nil) { try Files.makeDirectories("\($0)/etc") }
                try pools[0].name("registry.example/app:1", other)
                let taken = try await run("import", source, "--trust-names")
                #expect(taken.code == 1 && taken.errors.contains("which is the name of the layer"), "\(taken)")
                #expect(try pools[0].resolve("registry.example/app:1").id == other)
                let forced = try await run("import", source, "--trust-names", "--force")
                #expect(try forced.code == 0 && pools[0].resolve("registry.example/app:1").id == id, "\(forced)")
                // A policy holds at every door.
                try Files.replace(
                    policy, with: #"{"registries": [{"prefix": "registry.example", "keys": ["/nowhere"]}]}"#.utf8, durable: false)
                for arguments in [
                    ["import", source, "--trust-names"], ["import", source, "--name", "registry.example/x:1"],
                    ["tag", other.hex, "registry.example/x:1"],
                ] {
                    let refused = try await host.dish(arguments: ["image"] + arguments + ["--pool", pools[0].path])
                    #expect(refused.code == 1 && refused.errors.contains("demands signatures"), "\(refused)")
                }
                #expect(try await run("tag", id.hex, "registry.example/app:stable").code == 0)
                #expect(try await run("tag", other.hex, "local:1").code == 0)
            }
        }

        @Test func aReceivedImageIsCalledWhatTheReceiverSays() async throws {
            try await Streams.withPools(2) { pools in
                let base = try pools[0].makeLayer(on: nil, label: "//test:base") { try Files.makeDirectories("\($0)/etc") }
                // As imported layers are called.
                let middle = try pools[0].makeLayer(on: base, label: "app layer 1 of 2") {
                    try Files.makeDirectories("\($0)/opt")
                }
                let app = try pools[0].makeLayer(on: middle, label: "registry.example/app:1") {
                    try Files.makeDirectories("\($0)/srv")
                }
                var sink = MemorySink()
                try pools[0].writeImage(app, toReceiverWith: nil, to: &sink)
                let file = try Scratch.make("image") + "/image"
                try Files.replace(file, with: sink.bytes, durable: false)
                let policy = try Scratch.make("policy") + "/policy.json"
                let host = try TestHost(environment: ["DISH_POLICY": policy])
                func receive(_ arguments: String...) async throws -> Outcome {
                    try await host.dish(arguments: ["image", "receive", file, "--pool", pools[1].path] + arguments)
                }
                let received = try await receive()
                #expect(received.code == 0 && received.errors.contains("dish image tag \(app.short) NAME"), "\(received)")
                #expect(try pools[1].allNames().isEmpty && pools[1].allLayers().count == 3)
                let other = try pools[1].makeLayer(on: nil) { try Files.makeDirectories("\($0)/other") }
                try pools[1].name("registry.example/app:1", other)
                let refused = try await receive("--trust-names")
                #expect(refused.code == 1 && refused.errors.contains("--force"), "\(refused)")
                #expect(try pools[1].resolve("registry.example/app:1").id == other)
                #expect(try await receive("--name", "mine").code == 0)
                #expect(try pools[1].resolve("mine").id == app)
                try Files.replace(policy, with: #"{"default": "reject"}"#.utf8, durable: false)
                for arguments in [["--trust-names", "--force"], ["--name", "registry.example/b:1"]] {
                    let refused = try await host.dish(
                        arguments: ["image", "receive", file, "--pool", pools[1].path] + arguments)
                    #expect(refused.code == 1 && refused.errors.contains("accepts only what it names"), "\(refused)")
                }
                unlink(policy)
                #expect(try await receive("--trust-names", "--force").code == 0)
                #expect(try pools[1].allNames() == ["mine": app, "registry.example/app:1": app, "//test:base": base])
            }
        }
    }
}
