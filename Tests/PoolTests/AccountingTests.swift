import Btrfs
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// What a pool's usage says, against what the file system says and what removing things really frees.
@Suite(.requiresRoot, .serialized)
struct AccountingTests {
    /// `DISH_LAYERS=50 DISH_TASKS=100` is the full size; each task has a snapshot.
    private static func number(_ variable: String, _ small: Int) -> Int {
        getenv(variable).flatMap { Int(String(cString: $0)) } ?? small
    }
    private let layerCount = number("DISH_LAYERS", 4)
    private let taskCount = number("DISH_TASKS", 6)

    private func noise(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { buffer in
            for start in stride(from: 0, to: count, by: 256) { getentropy(buffer.baseAddress! + start, min(256, count - start)) }
        }
        return bytes
    }

    private func write(_ path: String, _ count: Int) throws {
        try Files.replace(path, with: noise(count), durable: false)
    }

    /// What is used once all that was deleted is cleaned.
    private func settled(_ pool: Pool) throws -> (data: UInt64, metadata: UInt64) {
        let filesystem = try pool.filesystem()
        for _ in 0..<200 {
            try filesystem.sync()
            if try !filesystem.subvolumeRoots().contains(where: \.isDeleted) { break }
            try Files.replace("\(pool.path)/cache/touched", with: noise(1), durable: false)
            try filesystem.commit()
            usleep(20_000)
        }
        try filesystem.sync()
        let space = try filesystem.space()
        return (space.dataUsed, space.metadataUsed)
    }

    private func isClose(_ first: UInt64, _ second: UInt64, within bytes: UInt64 = 0) -> Bool {
        max(first, second) - min(first, second) <= max(bytes, max(first, second) / 100)
    }

    private func make(_ pool: Pool) throws -> (layers: [LayerID], tasks: [TaskRecord]) {
        var layers: [LayerID] = []
        for number in 0..<layerCount {
            layers.append(
                try pool.makeLayer(on: layers.last, label: "//test:l\(number)") { root in
                    for file in 0..<(number == 0 ? 300 : 4) {
                        try write("\(root)/f\(number)-\(file)", number == 0 ? 50_000 : 100_000)
                    }
                    // What a layer replaces stays the one's below.
                    if number > 0 { try write("\(root)/f0-\(number)", 50_000) }
                })
        }
        var tasks: [TaskRecord] = []
        for number in 0..<taskCount {
            let task = TaskRecord(
                id: "\(100_000 + number)", name: "t\(number)", image: "//test:l0", layer: layers[number % layers.count],
                quotaGroup: UInt64(1000 + number))
            try pool.createTask(task, limit: nil)
            let root = "\(pool.directory(ofTask: task.id))/rootfs"
            for file in 0..<8 { try write("\(root)/own-\(file)", 130_000) }
            _ = try pool.snapshot(task, as: "first", at: 1)
            // In the snapshot still, and no more in the task; and the other way round.
            unlink("\(root)/own-0")
            try write("\(root)/later", 200_000)
            tasks.append(task)
        }
        return (layers, tasks)
    }

    @Test func itAddsUpAndSaysWhatRemovingFrees() async throws {
        try await Streams.withPools { pools in
            let pool = pools[0]
            let (layers, tasks) = try make(pool)
            _ = try pool.usage(refreshes: true)
            // The index itself is among the pool's own files.
            let before = try settled(pool)
            let usage = try pool.usage(refreshes: true)

            // All of it is somebody's.
            #expect(usage.sum.changed == 0 && isClose(usage.sum.data, before.data), "\(usage.sum) \(before)")
            #expect(
                isClose(usage.sum.metadata + usage.sum.ownMetadata, before.metadata, within: 200_000), "\(usage.sum) \(before)")
            let reference = try await btrfsUsed(pool)
            #expect(isClose(usage.sum.data, reference), "\(usage.sum) \(reference)")
            print("data: \(usage.sum.data) held, btrfs filesystem usage says \(reference)")
            print("metadata: \(usage.sum.metadata + usage.sum.ownMetadata) held, the file system says \(before.metadata)")

            // A base that others stand on has everything and frees nothing of it but its stored tree.
            let base = try #require(usage.layers.first { $0.id == layers[0].hex }?.held)
            // One block of its metadata is the root of the subvolume with the stored tree.
            var stored = stat()
            try #require(stat("\(pool.path)/layers/\(layers[0].hex)/index/tree", &stored) == 0)
            let tree = (UInt64(stored.st_size) + 4095) / 4096 * 4096
            #expect(base.referenced >= 300 * 49_152 && base.exclusive == tree && base.metadata < 116_384, "\(base) \(tree)")
            print("base: \(base.exclusive) exclusive, its stored tree has \(tree); \(base.metadata) metadata")

            // A snapshot alone frees what only it still has.
            let task = try #require(tasks.last)
            let snapshot = try #require(usage.snapshots.first { $0.name == "\(task.name)@first" }?.held)
            #expect((130_000..<140_000).contains(snapshot.exclusive), "\(snapshot)")
            let all = try #require(usage.tasks.first { $0.id == task.id }?.held)
            #expect((8 * 130_000 + 200_000..<1_320_000).contains(all.exclusive), "\(all)")
            #expect(all.referenced == all.exclusive + all.sharedWithOthers)

            // The last, the first, and some in between; the more there are the longer it takes.
            var (said, back): (UInt64, UInt64) = (0, 0)
            for number in stride(from: tasks.count - 1, through: 2, by: -max(1, tasks.count / 3)) {
                let removed = try remove(tasks[number], from: pool)
                (said, back) = (said + removed.said, back + removed.back)
            }
            #expect(isClose(said, back, within: 50_000), "\(said) bytes were said to be freed, \(back) came back")
            print("\(said) bytes were said to be freed by all of them, \(back) came back")

            // With whom, and what is younger than the index.
            let sharing = try pool.sharing(of: tasks[0].name)
            #expect(sharing.contains { $0.holders.contains("layer //test:l0") && $0.holders.contains("task \(tasks[0].name)") })
            let root = "\(pool.directory(ofTask: tasks[0].id))/rootfs"
            try write("\(root)/new", 100_000)
            try pool.filesystem().sync()
            let stale = try pool.usage()
            #expect(stale.tasks.first { $0.id == tasks[0].id }?.held?.isCurrent == false && stale.sum.changed > 0)
            #expect(stale.tasks.first { $0.id == tasks[1].id }?.held?.isCurrent == true)
            try await time(pool, tasks: tasks.count)
            for task in tasks { try pool.removeTask(task) }
        }
    }

    /// Removes a task's snapshot, then the task with its logs, and compares what came back with what was said before.
    private func remove(_ task: TaskRecord, from pool: Pool) throws -> (said: UInt64, back: UInt64) {
        func expect(_ said: [PoolUsage.Held], toComeBackBy removal: () throws -> Void) throws -> (said: UInt64, back: UInt64) {
            let before = try settled(pool)
            try removal()
            let after = try settled(pool)
            let back = before.data + before.metadata - after.data - after.metadata
            let all = said.reduce(0) { $0 + $1.freed }
            #expect(before.data - after.data == said.reduce(0) { $0 + $1.exclusive })
            // The file system's own trees are a block larger or smaller now and then.
            #expect(isClose(back, all, within: 50_000), "\(back) bytes came back, \(said)")
            print("\(task.name): \(all) bytes were said to be freed, \(back) came back")
            return (all, back)
        }
        let snapshot = try #require(
            try pool.usage(refreshes: true).snapshots.first { $0.name == "\(task.name)@first" }?.held)
        let first = try expect([snapshot]) { try pool.removeSnapshot("first", of: task) }
        let usage = try pool.usage(refreshes: true)
        let all = try #require(usage.tasks.first { $0.id == task.id }?.held)
        let logs = usage.others.filter { $0.kind == .logs && $0.name == task.name }.map(\.held)
        let second = try expect([all] + logs) { try pool.removeTask(task) }
        return (first.said + second.said, first.back + second.back)
    }

    /// Says how long it takes with as many layers and tasks as there are.
    private func time(_ pool: Pool, tasks: Int) async throws {
        let host = try TestHost(pool: pool.path)
        func fastest(_ command: String...) async throws -> Duration {
            var times: [Duration] = []
            for _ in 0..<5 {
                let begun = ContinuousClock.now
                let shown = try await host.dish(arguments: command)
                times.append(.now - begun)
                #expect(shown.code == 0, "\(shown)")
            }
            return times.min() ?? .zero
        }
        #expect(try await host.dish("pool", "usage", "--json").output.contains("\"held\""))
        let (nothing, all) = (try await fastest("--version"), try await fastest("pool", "usage", "--json"))
        print(
            "dish pool usage --json with \(layerCount) layers, \(tasks) tasks and snapshots: \(all); dish --version: \(nothing)")
        let refreshing = ContinuousClock.now
        _ = try pool.refreshUsage(syncs: true)
        print("bringing the index up to date: \(ContinuousClock.now - refreshing)")
        try Files.removeTree("\(pool.path)/cache/usage")
        let making = ContinuousClock.now
        _ = try pool.refreshUsage(syncs: true)
        print("making it anew: \(ContinuousClock.now - making)")
    }

    /// Data in use as btrfs-progs says.
    private func btrfsUsed(_ pool: Pool) async throws -> UInt64 {
        let text = try await Command("/usr/bin/btrfs", ["filesystem", "usage", "--raw", pool.path]).run().text
        let match = try #require(text.firstMatch(of: /Data,single: Size:\d+, Used:(\d+)/), "\(text)")
        return try #require(UInt64(match.1))
    }
}
