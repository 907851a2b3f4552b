import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// What a removal frees, as it is told before: the trees that are stored beside snapshots and layers are accounted to them.
@Suite(.requiresRoot, .serialized)
struct StoredTreeAccountingTests {
    private struct Used {
        let data: UInt64
        let metadata: UInt64
        /// As statfs(2) has it.
        let available: UInt64
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
        return Used(data: space.dataUsed, metadata: space.metadataUsed, available: space.available)
    }

    /// Many names with nothing in them: a large tree beside next to no content.
    private func fill(_ root: String, _ prefix: String, count: Int) throws {
        for number in 0..<count {
            if number % 500 == 0 { try Files.makeDirectories("\(root)/\(prefix)\(number / 500)") }
            let path = "\(root)/\(prefix)\(number / 500)/\(String(repeating: "n", count: 180))\(number)"
            _ = try OwnedFD.open(path, O_WRONLY | O_CREAT)
        }
    }

    /// - Parameter data: what of it is no metadata, for which statfs(2) has no figure; nil for not looking at that.
    private func expectFreed(
        _ said: UInt64, _ pool: Pool, _ what: String, data: UInt64? = nil, _ remove: () throws -> Void
    ) throws {
        let before = try settled(pool)
        try remove()
        try pool.cleanStaging()
        let after = try settled(pool)
        let freed = before.sum - min(after.sum, before.sum)
        let difference = said > freed ? said - freed : freed - said
        print("\(what): \(said) said, \(freed) freed (data \(before.data - min(after.data, before.data)))")
        // A percent, or four blocks: what is noted of the removal itself.
        #expect(difference <= max(said / 100, 65_536), "\(what): \(said) said, \(freed) freed")
        guard let data else { return }
        let more = Int64(after.available) - Int64(before.available)
        print("\(what): \(data) of it data, \(more) more available")
        #expect((more - Int64(data)).magnitude <= max(data / 100, 65_536), "\(what): \(data) said, \(more) available")
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

    private func write(_ root: String, _ prefix: String, count: Int, size: Int) throws {
        for number in 0..<count {
            try Files.replace(
                "\(root)/\(prefix)\(number)", with: [UInt8](repeating: UInt8(1 + number % 200), count: size), durable: false)
        }
    }

    @Test func whatRemovedTasksFreeIsAsTold() async throws {
        try await Streams.withPools { pools in
            let pool = pools[0]
            let layer = try pool.makeLayer(on: nil) { root in try write(root, "layer", count: 20, size: 200_000) }
            try pool.name("image", layer)
            var tasks: [TaskRecord] = []
            for number in 1...3 {
                let task = TaskRecord(
                    id: "\(100_000 + number)", name: "t\(number)", image: "image", layer: layer, quotaGroup: UInt64(1000 + number)
                )
                try pool.createTask(task, limit: nil)
                let root = "\(pool.directory(ofTask: task.id))/rootfs"
                // 50 MiB in files of all sizes, parts of which are replaced, truncated and removed; some are the layer's.
                try write(root, "own", count: 50, size: 1 << 20)
                try write(root, "small", count: 500, size: 3000)
                try write(root, "layer", count: 4, size: 200_000)
                try write("\(pool.directory(ofTask: task.id))/logs", "log", count: 1, size: 3 << 20)
                if number == 2 { _ = try pool.snapshot(task, as: "first", at: 1) }
                for file in 0..<10 { unlink("\(root)/own\(file)") }
                let hole = try OwnedFD.open("\(root)/own11", O_RDWR)
                #expect(pwrite(hole.number, [UInt8](repeating: 1, count: 8192), 8192, 300_000) == 8192)
                if number == 3 {
                    let copy = try OwnedFD.open("\(root)/clone", O_RDWR | O_CREAT)
                    #expect(dish_clone_range(copy.number, 0, hole.number, 0, 0) == 0)
                }
                tasks.append(task)
            }
            for task in tasks {
                let usage = try pool.usage(refreshes: true)
                let all = try #require(usage.tasks.first { $0.id == task.id }?.held)
                let logs = try #require(usage.others.first { $0.kind == .logs && $0.id == task.id }?.held)
                try expectFreed(
                    all.freed + logs.freed, pool, "task \(task.name)", data: all.exclusive + logs.exclusive
                ) { try pool.removeTask(task) }
            }
        }
    }

    @Test func whatAnImageOfSeveralLayersFreesIsAsTold() async throws {
        try await Streams.withPools { pools in
            let pool = pools[0]
            let base = try pool.makeLayer(on: nil, label: "base") { root in try write(root, "base", count: 100, size: 200_000) }
            let middle = try pool.makeLayer(on: base, label: "middle") { root in
                try write(root, "middle", count: 40, size: 250_000)
                try write(root, "base", count: 10, size: 200_000)
            }
            let top = try pool.makeLayer(on: middle, label: "top") { root in
                try write(root, "top", count: 20, size: 300_000)
                try write(root, "middle", count: 10, size: 250_000)
                for file in 50..<60 { unlink("\(root)/base\(file)") }
            }
            let other = try pool.makeLayer(on: base, label: "other") { root in try write(root, "other", count: 10, size: 300_000)
            }
            try pool.name("image", top)
            try pool.name("other", other)
            var rules = CollectionRules()
            rules.age = -3600
            func collect(_ layer: LayerID) throws {
                let removed = try pool.collectGarbage(rules, isDry: false).map(\.id)
                #expect(removed == [layer])
            }
            func remove(_ name: String) throws { _ = try pool.removeImage(name) }
            let removals: [(LayerID, () throws -> Void)] = [
                (top, { try remove("image") }),
                // The base stays the other image's.
                (middle, { try collect(middle) }), (other, { try remove("other") }), (base, { try collect(base) }),
            ]
            for (layer, removal) in removals {
                let usage = try pool.usage(refreshes: true)
                let held = try #require(usage.layers.first { $0.id == layer.hex }?.held)
                try expectFreed(held.freed, pool, "layer \(layer.short)", data: held.exclusive, removal)
            }
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
