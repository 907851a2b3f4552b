import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// The trees that are stored beside snapshots and layers are accounted to them.
@Suite(.requiresRoot, .serialized)
struct StoredTreeAccountingTests {
    private struct Used {
        let data: UInt64
        let metadata: UInt64
        var sum: UInt64 { data + metadata }
    }

    /// The file system's own figures once nothing is left to clean up.
    private func settled(_ pool: Pool) throws -> Used {
        let filesystem = try pool.filesystem()
        for _ in 0..<600 {
            try filesystem.sync()
            if try filesystem.subvolumeRoots().allSatisfy({ !$0.isDeleted }) { break }
            usleep(50_000)
        }
        // Delayed references of the last commit.
        for _ in 0..<3 { try filesystem.sync() }
        let space = try filesystem.space()
        return Used(data: space.dataUsed, metadata: space.metadataUsed)
    }

    /// Many names with nothing in them: a large tree beside next to no content.
    private func fill(_ root: String, _ prefix: String, count: Int) throws {
        for number in 0..<count {
            if number % 500 == 0 { try Files.makeDirectories("\(root)/\(prefix)\(number / 500)") }
            let path = "\(root)/\(prefix)\(number / 500)/\(String(repeating: "n", count: 180))\(number)"
            _ = try OwnedFD.open(path, O_WRONLY | O_CREAT)
        }
    }

    private func expectFreed(_ said: UInt64, _ pool: Pool, _ what: String, _ remove: () throws -> Void) throws {
        let before = try settled(pool)
        try remove()
        try pool.cleanStaging()
        let after = try settled(pool)
        let freed = before.sum - min(after.sum, before.sum)
        let difference = said > freed ? said - freed : freed - said
        print("\(what): \(said) said, \(freed) freed (data \(before.data - min(after.data, before.data)))")
        // A percent, or four blocks: what is noted of the removal itself.
        #expect(difference <= max(said / 100, 65_536), "\(what): \(said) said, \(freed) freed")
    }

    @Test func whatARemovalFreesIsAsTold() async throws {
        try await Streams.withPools { pools in
            let pool = pools[0]
            _ = try pool.createVolume("v", size: 1 << 30)
            let data = pool.data(ofVolume: "v")
            try fill(data, "a", count: 20_000)
            for name in ["one", "two"] {
                // The content of all before it is replaced.
                try Files.replace("\(data)/content", with: (0..<4_000_000).map { _ in UInt8.random(in: 0...255) })
                _ = try pool.snapshotVolume("v", as: name)
            }
            let layer = try pool.makeLayer(on: nil) { root in try fill(root, "l", count: 20_000) }
            _ = try pool.name("//test:names", layer)

            var usage = try pool.usage(refreshes: true)
            // The stored trees are inside the volume's bill.
            let bill = try #require(usage.volumes.first?.own)
            let stored = try #require(usage.snapshots.first { $0.name == "v@one" }?.own)
            #expect(stored > 2_000_000 && bill > stored, "\(usage.volumes) \(usage.snapshots)")
            let own = try #require(usage.others.first { $0.kind == .pool })
            #expect(own.held.referenced < 2_000_000, "\(own)")

            let snapshot = try #require(usage.snapshots.first { $0.name == "v@one" }?.held)
            try expectFreed(snapshot.freed, pool, "snapshot") { try pool.removeSnapshot("one", of: "v") }
            usage = try pool.usage(refreshes: true)
            try expectFreed(try #require(usage.layers.first?.held).freed, pool, "layer") {
                _ = try pool.removeImage("//test:names")
            }
            usage = try pool.usage(refreshes: true)
            try expectFreed(try #require(usage.volumes.first?.held).freed, pool, "volume") { try pool.removeVolume("v") }
        }
    }

    @Test func aTreeThatHasNoRoomInItsVolumeIsLeftOut() async throws {
        try await Streams.withPools { pools in
            let pool = pools[0]
            _ = try pool.createVolume("small", size: 4 << 20)
            let data = pool.data(ofVolume: "small")
            try fill(data, "a", count: 4000)
            let (snapshot, _) = try pool.snapshotVolume("small", as: "one")
            #expect(snapshot.entries > 4000)
            // It is read from the content instead.
            try Files.replace("\(data)/later", with: [1])
            #expect(try pool.snapshotVolume("small", as: "two").snapshot.entries == snapshot.entries + 1)
        }
    }
}
