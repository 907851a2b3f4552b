import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Registry
import SendStream
import Synchronization
import Testing

extension Streams {
    /// Streams of `btrfs send`, subvolumes and directories become images, and streams become snapshots of volumes.
    @Suite struct KernelImportTests {
        private func send(_ arguments: String...) throws -> [UInt8] {
            let result = try Command("/usr/bin/btrfs", ["send", "-q"] + arguments).runBlocking()
            guard result.status.isSuccess else { throw FixtureError("btrfs send: \(result.errorText)") }
            return result.output
        }

        /// `a`, and `b` made from it, read-only.
        private func makePair(in place: String) throws -> (a: String, b: String) {
            let (a, b) = ("\(place)/a", "\(place)/b")
            try Subvolume.create(a)
            for (name, text) in [("keep", "kept"), ("change", "old"), ("gone", "gone"), ("etc/passwd", "root:x:0:0::/:/bin/sh")] {
                try Files.makeDirectories(Files.parent(of: "\(a)/\(name)"))
                try Files.replace("\(a)/\(name)", with: text.utf8, durable: false)
            }
            try Files.replace("\(a)/large", with: [UInt8](repeating: 7, count: 3 << 20), durable: false)
            try Files.makeDirectories("\(a)/dev")
            mknod("\(a)/dev/null", S_IFCHR | 0o666, dev_t(dish_makedev(1, 3)))
            mknod("\(a)/dev/sda", S_IFBLK | 0o600, dev_t(dish_makedev(8, 0)))
            #expect(link("\(a)/keep", "\(a)/hard") == 0 && symlink("keep", "\(a)/link") == 0)
            try Subvolume.makeReadOnly(a)
            try Subvolume.snapshot(a, to: b)
            try Files.replace("\(b)/change", with: "new".utf8, durable: false)
            #expect(unlink("\(b)/gone") == 0 && chmod("\(b)/dev/sda", 0o640) == 0 && rename("\(b)/dev", "\(b)/device") == 0)
            try Subvolume.makeReadOnly(b)
            return (a, b)
        }

        private func text(_ pool: Pool, _ layer: LayerID, _ path: String) -> String? {
            try? Files.readText("\(pool.root(of: layer))/\(path)")
        }

        @Test(arguments: ["1", "2"]) func streamsBecomeLayers(protocol version: String) async throws {
            try await Streams.withPools(2) { pools in
                let pair = try makePair(in: pools[0].path)
                let pool = pools[1]
                let (whole, difference) = (
                    try send("--proto", version, pair.a), try send("--proto", version, "-p", pair.a, pair.b)
                )
                let missing = #expect(throws: PoolError.self) { try pool.importStreams(MemorySource(difference)) }
                #expect(missing?.code == .unknownImage && missing?.description.contains("import that one first") == true)
                let first = try pool.importStreams(MemorySource(whole))
                #expect(first.leftOut.paths == ["/dev/sda"] && first.made == 1 && first.layer.parent == nil)
                #expect(text(pool, first.layer.id, "hard") == "kept" && Files.exists("\(pool.root(of: first.layer.id))/dev/null"))
                let second = try pool.importStreams(MemorySource(difference))
                #expect(second.layer.parent == first.layer.id && second.leftOut.paths == ["/device/sda"])
                #expect(text(pool, second.layer.id, "change") == "new" && text(pool, second.layer.id, "gone") == nil)
                #expect(text(pool, second.layer.id, "large")?.utf8.count == 3 << 20)
                // Again it is the same, and so are both in one file, in a pool that has none of them.
                #expect(try pool.importStreams(MemorySource(difference)).layer.id == second.layer.id)
                let third = try pools[0].importStreams(MemorySource(whole + difference))
                #expect(third.layer.id == second.layer.id && third.made == 2)
                // What is imported can be exported, and is the same when it comes back.
                try await expectSame(second.layer, from: pool, in: pools[0])
                #expect(try Files.list("\(pool.path)/staging") == [])
            }
        }

        private func options() -> RegistryOptions { RegistryOptions() }

        private func importing(_ source: String, _ pool: Pool) async throws -> (layer: Layer, said: [String]) {
            let said = Mutex<[String]>([])
            let policy = try SignaturePolicy("\(pool.path)/no-policy.json")
            let imported = try await ImageImport(pool, options(), policy: policy) { event in
                switch event {
                case .warning(let text): said.withLock { $0.append(text) }
                case .leftOut(let nodes): said.withLock { $0.append("\(nodes)") }
                default: break
                }
            }.run(ImageSource(source))
            return (imported.layer, said.withLock { $0 })
        }

        private func expectSame(_ layer: Layer, from pool: Pool, in other: Pool) async throws {
            let out = try Scratch.make("kernel-out")
            try await ImageExport(pool) { _ in }.run(layer, to: ExportTarget("oci:\(out)/layout:x"), name: "x")
            #expect(try await importing("oci:\(out)/layout:x", other).layer.id == layer.id)
        }

        /// As backup programs keep them: compressed, and cloned from more than one parent.
        @Test func streamsOfFilesAreTaken() async throws {
            try await Streams.withPools(2) { pools in
                let (place, pool) = (pools[0].path, pools[1])
                let pair = try makePair(in: place)
                let other = "\(place)/other"
                try Subvolume.create(other)
                try Files.replace("\(other)/data", with: [UInt8](repeating: 9, count: 1 << 20), durable: false)
                try Subvolume.makeReadOnly(other)
                let third = "\(place)/third"
                try Subvolume.snapshot(pair.b, to: third)
                let copied = try await Command("/bin/cp", ["--reflink=always", "\(other)/data", "\(third)/cloned"]).run()
                #expect(copied.status.isSuccess)
                try Subvolume.makeReadOnly(third)
                try Filesystem(at: place).sync()
                let folder = try Scratch.make("send")
                let script = """
                    cd \(folder)
                    btrfs send -q \(pair.a) | zstd -q > a.zst; btrfs send -q -p \(pair.a) \(pair.b) | gzip > b.gz
                    btrfs send -q \(other) > other; btrfs send -q -p \(pair.b) -c \(other) \(third) | xz > third.xz
                    head -c 2000000 other > /dev/null; zstd -q -d -c a.zst | head -c 100000 > short
                    """
                let sent = try await Command("/bin/sh", ["-ec", script]).run()
                try #require(sent.status.isSuccess, "\(sent.errorText)")
                let short = await #expect(throws: StreamError.self) { _ = try await importing("stream:\(folder)/short", pool) }
                #expect(short?.code == .truncated)
                let first = try await importing("stream:\(folder)/a.zst", pool)
                #expect(first.said == ["devices left out: /dev/sda"])
                _ = try await importing("stream:\(folder)/b.gz", pool)
                _ = try await importing("stream:\(folder)/other", pool)
                let last = try await importing("stream:\(folder)/third.xz", pool).layer
                #expect(text(pool, last.id, "cloned")?.utf8.count == 1 << 20 && text(pool, last.id, "change") == "new")
            }
        }

        @Test func subvolumesAndDirectoriesBecomeImages() async throws {
            try await Streams.withPools(2) { pools in
                let pair = try makePair(in: pools[0].path)
                let root = "\(pools[0].path)/live"
                try Subvolume.snapshot(pair.a, to: root)
                try Files.makeDirectories("\(root)/srv")
                try Subvolume.create("\(root)/srv/inner")
                try Files.replace("\(root)/srv/inner/data", with: "x".utf8, durable: false)
                let near = try await importing("subvolume:\(root)", pools[0])
                #expect(
                    near.said.contains { $0.contains("1 other subvolume inside") && $0.contains("/srv/inner") }, "\(near.said)")
                #expect(near.said.contains("devices left out: /dev/sda"))
                #expect(text(pools[0], near.layer.id, "hard") == "kept" && text(pools[0], near.layer.id, "srv/inner/data") == nil)
                #expect(try Files.list("\(pools[0].root(of: near.layer.id))/srv") == [])
                try await expectSame(near.layer, from: pools[0], in: pools[1])
                // It is what it was, whenever it is taken.
                #expect(try await importing("subvolume:\(root)", pools[0]).layer.id == near.layer.id)
                // On another file system all of it is copied, subvolumes inside too, and what is mounted there is not.
                #expect(mount("tmpfs", "\(root)/etc", "tmpfs", 0, nil) == 0)
                defer { umount2("\(root)/etc", CInt(MNT_DETACH)) }
                try Files.replace("\(root)/etc/hidden", with: "x".utf8, durable: false)
                let far = try await importing("dir:\(root)", pools[1])
                #expect(
                    far.said.contains { $0.contains("1 other file system is mounted") && $0.contains("/live/etc") }, "\(far.said)"
                )
                #expect(text(pools[1], far.layer.id, "srv/inner/data") == "x" && text(pools[1], far.layer.id, "hard") == "kept")
                #expect(text(pools[1], far.layer.id, "etc/passwd") != nil && text(pools[1], far.layer.id, "etc/hidden") == nil)
                var status = stat()
                #expect(stat("\(pools[1].root(of: far.layer.id))/keep", &status) == 0 && status.st_nlink == 2)
                try await expectSame(far.layer, from: pools[1], in: pools[0])
                let alone = try await importing("subvolume:\(pair.b)", pools[1])
                #expect(text(pools[1], alone.layer.id, "change") == "new")
            }
        }

        @Test func namesThatNoImageCanHaveAreRefusedAtOnce() async throws {
            try await Streams.withPools { pools in
                let root = "\(pools[0].path)/odd"
                try Subvolume.create(root)
                try Files.replace("\(root)/.wh.x", with: "x".utf8, durable: false)
                let error = await #expect(throws: PoolError.self) { _ = try await importing("subvolume:\(root)", pools[0]) }
                #expect(error?.description.contains("'/.wh.x' can't be in an image") == true)
                await #expect(throws: PoolError.self) { _ = try await importing("dir:\(root)", pools[0]) }
                try Subvolume.makeReadOnly(root)
                let stream = try send(root)
                #expect(throws: PoolError.self) { try pools[0].importStreams(MemorySource(stream)) }
                #expect(try pools[0].allLayers().isEmpty && Files.list("\(pools[0].path)/staging") == [])
            }
        }

        @Test func volumesTakeTheKernelsStreams() async throws {
            try await Streams.withPools(2) { pools in
                let pair = try makePair(in: pools[0].path)
                let pool = pools[1]
                let (whole, difference) = (try send(pair.a), try send("-p", pair.a, pair.b))
                let missing = #expect(throws: PoolError.self) { try pool.receiveVolume(MemorySource(difference), as: "data") }
                #expect(missing?.description.contains("receive that one first") == true)
                #expect(try pool.volumeIfPresent("data") == nil)
                let first = try pool.receiveVolume(MemorySource(whole), as: "data")
                #expect(first.snapshot.name == "a" && first.leftOut?.paths == ["/dev/sda"] && first.data == .followed)
                let second = try pool.receiveVolume(MemorySource(difference), as: "data")
                #expect(second.snapshot.name == "b" && second.data == .followed && !second.wasHere)
                #expect(try Files.readText("\(pool.data(ofVolume: "data"))/change") == "new")
                #expect(try pool.receiveVolume(MemorySource(difference), as: "data").wasHere)
                // Both at once, as another volume; its snapshots go on from there.
                let both = try pool.receiveVolume(MemorySource(whole + difference), as: "both")
                #expect(both.snapshot.id == second.snapshot.id)
                #expect(try pool.snapshots(of: "both").map(\.name) == ["a", "b"])
                // Another subvolume of the same name.
                let again = "\(pools[0].path)/again"
                try Files.makeDirectories(again)
                try Subvolume.create("\(again)/b")
                try Files.replace("\(again)/b/x", with: "x".utf8, durable: false)
                try Subvolume.makeReadOnly("\(again)/b")
                #expect(try pool.receiveVolume(MemorySource(send("\(again)/b")), as: "both").snapshot.name == "b-2")
                // What is cut short leaves nothing.
                #expect(throws: StreamError.self) { try pool.receiveVolume(MemorySource(Array(whole.prefix(5000))), as: "cut") }
                #expect(try pool.volumeIfPresent("cut") == nil && Files.list("\(pool.path)/staging") == [])
            }
        }
    }
}
