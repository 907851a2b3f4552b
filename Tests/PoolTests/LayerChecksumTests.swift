import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

extension Streams {
    /// Files without checksums (`chattr +C`) don't come into layers, and people are told where they are (docs/pool.md).
    @Suite struct LayerChecksumTests {
        private func shell(_ script: String) async throws -> String {
            let done = try await Command("/bin/bash", ["-ec", script]).run()
            try #require(done.status.isSuccess, "\(done.text) \(done.errorText)")
            return done.text
        }

        private func unchecked(_ pool: Pool, _ root: String) throws -> Int {
            try pool.filesystem().uncheckedInodes(of: Subvolume.info(root).id).count
        }

        /// All that makes writing a file anew noticed: names, links, modes, attributes, times, holes, flags.
        private func fill(_ root: String, _ flag: String) async throws {
            _ = try await shell(
                """
                cd \(root) && mkdir -p plain journal/below && \(flag) journal journal/below
                yes one | head -c 3000000 > journal/log && ln journal/log plain/hardlink
                yes two | head -c 100000 > journal/below/file && truncate -s 40M journal/below/file
                yes three | head -c 70000 > journal/program && chmod 6755 journal/program && chown 7:8 journal/program
                python3 -c 'import os
                os.setxattr("journal/program", "security.capability", bytes.fromhex("0100000200200000" + "00" * 12))
                os.setxattr("journal/program", "user.kept", b"yes")'
                touch journal/empty plain/empty && \(flag) plain/empty && echo short > journal/short
                touch -d @1600000000 journal/* journal/below/* plain/* && touch -d @1600000000 journal/below journal plain .
                """)
        }

        /// Copies of them would take what no limit counts: a step that makes clones is billed for one of them.
        @Test func clonesWithoutChecksumsStayClones() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let staged = try StagingDirectory(in: pool)
                try Subvolume.create(staged.root)
                _ = try await shell(
                    """
                    cd \(staged.root) && mkdir files && chattr +C files && head -c 40M /dev/urandom > files/one
                    for number in 2 3 4 5; do cp --reflink=always files/one files/$number; done
                    """)
                let tree = try pool.tree(of: staged, parent: nil, latestTime: 1_900_000_000)
                let layer = try pool.publish(staged, tree: tree, parent: nil, label: "clones").id
                #expect(try unchecked(pool, pool.root(of: layer)) == 5)
                var extents: [UInt64: UInt64] = [:]
                let filesystem = try pool.filesystem()
                try filesystem.forEachDataExtent(of: Subvolume.info(pool.root(of: layer)).id) { extents[$0.address] = $0.size }
                #expect(extents.values.reduce(0, +) < 50 << 20)
            }
        }

        @Test func layersHaveChecksumsWhateverTheirFilesWereMadeWith() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                func make(_ name: String, on parent: LayerID? = nil, _ flag: String) async throws -> LayerID {
                    let staged = try StagingDirectory(in: pool)
                    if let parent {
                        try Subvolume.snapshot(pool.root(of: parent), to: staged.root)
                    } else {
                        try Subvolume.create(staged.root)
                    }
                    try await fill(staged.root, flag)
                    if flag == "chattr +C" { #expect(try await shell("lsattr \(staged.root)/journal/log").contains("C")) }
                    if flag == "chattr +C" { _ = try await shell("chattr +i \(staged.root)/journal/log") }
                    let tree = try pool.tree(of: staged, parent: parent, latestTime: 1_900_000_000)
                    return try pool.publish(staged, tree: tree, parent: parent, label: name).id
                }
                let plain = try await make("plain", "true")
                let base = try pool.makeLayer(on: nil) { root in try Files.replace("\(root)/other", with: [1]) }
                // The same tree, so that it is known already.
                #expect(try await make("same", "chattr +C") == plain)
                try pool.remove(plain)
                for parent in [nil, base] {
                    let layer = try await make("made", on: parent, "chattr +C")
                    #expect(parent != nil || layer == plain)
                    let root = pool.root(of: layer)
                    #expect(try unchecked(pool, root) == 0)
                    #expect(try await shell("lsattr -aR \(root) | awk '$1 ~ /C/'") == "")
                    try pool.filesystem().sync()
                    try pool.requireWhole(layer)
                    // What is stored is what the id says, with names, times, modes, attributes and holes.
                    #expect(try pool.checkLayer(layer) == .whole(hasRecovered: false))
                    #expect(try await shell("stat -c %h \(root)/plain/hardlink") == "2\n")
                    #expect(Int(try await shell("stat -c %b \(root)/journal/below/file").dropLast()) ?? .max < 1000)
                    try pool.remove(layer)
                }
            }
        }

        @Test func aCommitHasChecksumsAndTheTaskAndItsVolumeAreTold() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let layer = try pool.makeLayer(on: nil) { root in try Files.replace("\(root)/other", with: [1]) }
                try pool.name("image", layer)
                let task = TaskRecord(
                    id: String(repeating: "a", count: 12), name: "writer", image: "image", layer: layer, quotaGroup: nil)
                try pool.createTask(task, limit: nil)
                _ = try pool.createVolume("data", size: 64 << 20)
                let roots = ["\(pool.path)/tasks/\(task.id)/rootfs", pool.data(ofVolume: "data")]
                for root in roots { try await fill(root, "chattr +C") }
                _ = try pool.snapshotVolume("data", as: "one")
                let (committed, _) = try pool.commit(task, as: "committed")
                #expect(try unchecked(pool, pool.root(of: committed.id)) == 0)
                try pool.filesystem().sync()
                try pool.requireWhole(committed.id)
                #expect(try pool.checkLayer(committed.id) == .whole(hasRecovered: false))
                #expect(try unchecked(pool, roots[0]) > 5)

                _ = try pool.refreshUsage(syncs: true)
                let holders = try pool.uncheckedFiles()
                #expect(Set(holders.map(\.name)) == ["task writer", "volume data"], "\(holders)")
                for holder in holders {
                    // In blocks; what is in the tree itself has its checksum.
                    #expect((3...4).contains(holder.files) && (3_170_000...3_200_000).contains(holder.bytes), "\(holder)")
                }
                #expect(try pool.uncheckedFiles(ofVolume: "data")?.files == holders[0].files)
                let usage = try pool.usage()
                #expect(usage.layers.allSatisfy { $0.held?.unchecked == nil })
                #expect(usage.layers.first { $0.id == committed.id.hex }?.own ?? 0 > 3_100_000, "\(usage.layers)")
                #expect(usage.volumes.first?.held?.unchecked?.files == holders[0].files)
                let host = try TestHost(pool: pool.path)
                for (arguments, line) in [
                    (["pool", "show", pool.path], "task writer \(holders[0].files) files, 3 MiB"),
                    (["pool", "usage", pool.path], "without checksums: data: \(holders[0].files) files, 3 MiB"),
                    (["volume", "show", "data"], "without checksums: \(holders[0].files) files, 3 MiB"),
                ] {
                    let shown = try await host.dish(arguments: arguments)
                    #expect(shown.code == 0 && shown.output.contains(line), "\(shown)")
                }
                // Once they are gone nothing is told any more; the snapshot still has them.
                for root in roots { _ = try await shell("chattr -R -i \(root); rm -rf \(root)/journal \(root)/plain") }
                _ = try pool.refreshUsage(syncs: true)
                #expect(try pool.uncheckedFiles().map(\.name) == ["volume data"])
                try pool.removeSnapshot("one", of: "data")
                _ = try pool.refreshUsage(syncs: true)
                #expect(try pool.uncheckedFiles() == [])
            }
        }

        @Test func aMountWithoutChecksumsIsToldAndItsLayersHaveSome() async throws {
            try await Streams.withPools(2) { pools in
                let (source, pool) = (pools[0], pools[1])
                let layer = try source.makeLayer(on: nil) { root in
                    try Files.replace("\(root)/file", with: (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
                }
                let stream = try source.stream(of: layer, against: nil)
                let registry = PoolRegistry(stateDirectory: try Scratch.make("state"))
                #expect(try pool.health(in: registry).problems.isEmpty)
                _ = try await shell("mount -o remount,nodatacow \(pool.path)")
                #expect(try pool.health(in: registry).problems.map(\.kind) == ["without checksums"])
                #expect(try pool.receive(stream, layer, against: nil).id == layer)
                #expect(try unchecked(pool, pool.root(of: layer)) == 0)
                #expect(try pool.checkLayer(layer) == .whole(hasRecovered: false))
            }
        }
    }
}
