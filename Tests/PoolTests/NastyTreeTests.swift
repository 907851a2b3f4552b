import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// Trees that a tenant can make, and what a program that shares no code with this one says of them (independent_trees.py).
extension Streams {
    @Suite struct NastyTreeTests {
        private func independent(_ arguments: String...) throws -> (isSuccess: Bool, output: String) {
            let script = "\(Programs.repository)/Tests/Fixtures/independent_trees.py"
            let run = try Command("/usr/bin/python3", [script] + arguments).runBlocking()
            return (run.status.isSuccess, run.text + run.errorText)
        }

        private func identity(_ root: String) throws -> String { try independent("id", root).output }

        private func make(_ root: String, _ seed: UInt32) throws {
            let made = try independent("make", root, "\(seed)")
            guard made.isSuccess else { throw FixtureError("seed \(seed): \(made.output)") }
        }

        private func shell(_ script: String) throws {
            let result = try Command("/bin/sh", ["-ec", script]).runBlocking()
            guard result.status.isSuccess else { throw FixtureError("\(script): \(result.text)\(result.errorText)") }
        }

        private func send(
            _ name: String, since base: String?, of volume: String, from pool: Pool, to other: Pool, as target: String
        ) throws -> VolumeSnapshot {
            var sink = MemorySink()
            let snapshots = try pool.snapshots(of: volume)
            func snapshot(_ name: String) throws -> VolumeSnapshot { try #require(snapshots.first { $0.name == name }) }
            try pool.writeVolume(volume, snapshot(name), since: base.map(snapshot), to: &sink)
            return try other.receiveVolume(MemorySource(sink.bytes), as: target).snapshot
        }

        /// A volume's snapshots are what is in it, in this pool and another; and so when it goes back to where it came from.
        @Test func snapshotsOfAnyTreeAreWhatIsInItHereAndElsewhere() async throws {
            let first = UInt32.random(in: 0...UInt32.max / 2)
            try await Streams.withPools(2) { pools in
                let (pool, other) = (pools[0], pools[1])
                for seed in first..<first + 2 {
                    print("nasty tree: seed \(seed)")
                    let name = "v\(seed)"
                    _ = try pool.createVolume(name, size: nil)
                    for step in 0..<3 {
                        try make(pool.data(ofVolume: name), seed &+ UInt32(step) &* 1000)
                        let snapshot = try pool.snapshotVolume(name, as: "s\(step)").snapshot
                        let here = pool.data(ofSnapshot: "s\(step)", of: name)
                        #expect(try identity(here) == "\(snapshot.id.hex)\n", "seed \(seed), step \(step)")
                        let received = try send(
                            "s\(step)", since: step > 0 ? "s\(step - 1)" : nil, of: name, from: pool, to: other, as: name)
                        #expect(received.id == snapshot.id)
                        let same = try independent("compare", here, other.data(ofSnapshot: "s\(step)", of: name))
                        #expect(same.isSuccess, "seed \(seed), step \(step): \(same.output)")
                    }
                    // Trees here have flags that received ones lack.
                    var sink = MemorySink()
                    let snapshots = try pool.snapshots(of: name)
                    try pool.writeVolume(name, snapshots[0], since: snapshots[2], to: &sink)
                    try pool.removeSnapshot("s0", of: name)
                    #expect(try pool.receiveVolume(MemorySource(sink.bytes), as: name).snapshot.id == snapshots[0].id)
                    let same = try independent(
                        "compare", pool.data(ofSnapshot: "s0", of: name), other.data(ofSnapshot: "s0", of: name))
                    #expect(same.isSuccess, "seed \(seed), back: \(same.output)")
                    for pool in [pool, other] { try pool.removeVolume(name) }
                }
                #expect(pool.stagingEntries == [] && other.stagingEntries == [])
            }
        }

        @Test func layersOfAnyTreeHaveTheIDOfTheirContent() async throws {
            let seed = UInt32.random(in: 0...UInt32.max / 2)
            print("nasty tree: seed \(seed)")
            try await Streams.withPools(2) { pools in
                var parent: LayerID?
                for step in 0..<2 {
                    let layer = try pools[0].makeLayer(on: parent) { try make($0, seed &+ UInt32(step)) }
                    #expect(try identity(pools[0].root(of: layer)) == "\(layer.hex)\n", "seed \(seed), step \(step)")
                    let stream = try pools[0].stream(of: layer, against: parent)
                    #expect(try pools[1].receive(stream, layer, against: parent).id == layer)
                    let same = try independent("compare", pools[0].root(of: layer), pools[1].root(of: layer))
                    #expect(same.isSuccess, "seed \(seed): \(same.output)")
                    parent = layer
                }
                for pool in pools { #expect(try PoolRepair(pool, readsContent: true).run() == [], "seed \(seed)") }
            }
        }

        @Test func theRootOfASnapshotWithSubvolumesInsideIsCommittedAsWhatItHas() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                _ = try pool.createVolume("v", size: nil)
                let data = pool.data(ofVolume: "v")
                // Inode numbers as the next subvolume's id: a directory entry has that where a subvolume lies.
                try shell("mkdir \(data)/many && cd \(data)/many && for i in $(seq 1 900); do echo $i > $i; done")
                _ = try pool.snapshotVolume("v", as: "before")
                let path = "\(data)/sub/sub"
                try Files.makeDirectories(Files.parent(of: path))
                try Subvolume.create(path)
                try Files.replace("\(path)/inner", with: [1], durable: false)
                let (snapshot, missing) = try pool.snapshotVolume("v", as: "after")
                #expect(missing == ["sub/sub"])
                let here = pool.data(ofSnapshot: "after", of: "v")
                #expect(try identity(here) == "\(snapshot.id.hex)\n")
                var status = stat()
                #expect(stat("\(here)/sub/sub", &status) == 0 && status.st_ino != 2 && status.st_mtim.tv_sec == 0)
                // A snapshot of the kernel's has a place that changes with each look, as the root of a task that was brought back.
                let place = "\(pool.path)/place"
                try Subvolume.snapshot(data, to: place)
                #expect(stat("\(place)/sub/sub", &status) == 0 && status.st_ino == 2)
                let once = try TreeDigest(of: place).id
                #expect(try TreeDigest(of: place).id == once && once == snapshot.id)
                let staged = try StagingDirectory(in: pool)
                try Subvolume.snapshot(place, to: staged.root)
                let layer = try pool.publish(staged, tree: pool.tree(of: staged, parent: nil), parent: nil, label: "//test:place")
                #expect(layer.id == once)
                #expect(try identity(pool.root(of: layer.id)) == "\(layer.id.hex)\n")
                #expect(try PoolRepair(pool, readsContent: true).run() == [])
                try Subvolume.delete(place)
            }
        }

        @Test func compressionIsNoPartOfAnIDAndIDsThatHaveItStay() async throws {
            try await Streams.withPools(2) { pools in
                let pool = pools[0]
                func make(_ compresses: Bool) throws -> LayerID {
                    try pool.makeLayer(on: nil) { root in
                        try shell(
                            "cd \(root) && mkdir d && \(compresses ? "chattr +c d &&" : "") echo x > d/f && touch -d @1 d/f d . ")
                    }
                }
                #expect(try make(false) == make(true))
                _ = try pool.createVolume("v", size: nil)
                try shell("cd \(pool.data(ofVolume: "v")) && echo x > f && mkdir d")
                let before = try pool.snapshotVolume("v", as: "a").snapshot.id
                try shell("cd \(pool.data(ofVolume: "v")) && chattr +c f d")
                #expect(try pool.snapshotVolume("v", as: "b").snapshot.id == before)
            }
        }

        @Test func aPathThatNoStreamCanHaveIsToldBeforeAnythingIsSent() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                _ = try pool.createVolume("v", size: nil)
                let name = String(repeating: "n", count: 250)
                var directory = try OwnedFD.open(pool.data(ofVolume: "v"), O_RDONLY | O_DIRECTORY)
                for _ in 0..<300 {
                    let number = directory.number
                    #expect(mkdirat(number, name, 0o755) == 0)
                    directory = try directory.directory(Array(name.utf8))
                }
                let snapshot = try pool.snapshotVolume("v", as: "deep").snapshot
                #expect(try identity(pool.data(ofSnapshot: "deep", of: "v")) == "\(snapshot.id.hex)\n")
                var sink = MemorySink()
                let error = #expect(throws: PoolError.self) { try pool.writeVolume("v", snapshot, since: nil, to: &sink) }
                #expect(sink.bytes.isEmpty && error?.description.contains("a stream can have 65535 at most") == true)
                // It is brought back nevertheless.
                #expect(unlinkat(directory.number, "none", 0) != 0)
                try Files.removeTree("\(pool.data(ofVolume: "v"))/\(name)")
                #expect(try pool.restore("/\(name)", in: .volume("v"), from: "deep").entries == 300)
                #expect(try pool.snapshotVolume("v", as: "again").snapshot.entries == 301)
            }
        }

        @Test func aPathIsBroughtBackWhateverFlagsItHas() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                _ = try pool.createVolume("v", size: nil)
                let data = pool.data(ofVolume: "v")
                try shell(
                    """
                    cd \(data) && mkdir d plain && chattr +C d && echo one > d/nocow && head -c 300000 /dev/urandom > d/noise
                    echo one > d/fixed && truncate -s 9223372036854775807 plain/hole && echo one > plain/file
                    python3 -c 'import os
                    for i in range(300): os.setxattr("plain/file", f"user.{i}-".ljust(250, "n"), b"v")'
                    """)
                let before = try pool.snapshotVolume("v", as: "a").snapshot.id
                try shell(
                    """
                    cd \(data) && echo two > d/nocow && echo two > d/fixed && rm d/noise && echo two > plain/file
                    rm plain/hole && chattr +i d/fixed && chattr +a d/nocow && chattr +i d && chattr +a plain
                    """)
                #expect(try pool.restore("/d", in: .volume("v"), from: "a").entries == 4)
                #expect(try pool.restore("/plain", in: .volume("v"), from: "a").entries == 3)
                #expect(try pool.snapshotVolume("v", as: "b").snapshot.id == before)
                try shell("lsattr \(data)/d/noise | grep -q C")
            }
        }
    }
}
