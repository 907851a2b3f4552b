import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Streams {
    /// Pools that have no room, and sums of what pools use.
    struct FullPoolTests {
        private func fill(_ directory: String) {
            // First with large files, then with ever smaller ones, up to the last block of the trees.
            let sizes: [Int] = [33_554_432, 1_048_576, 65_536, 2000, 0]
            for size in sizes {
                for number in 0..<200_000 {
                    let bytes = [UInt8](repeating: 7, count: size)
                    guard (try? Files.replace("\(directory)/f\(size)-\(number)", with: bytes, durable: false)) != nil else {
                        break
                    }
                }
            }
        }

        @Test func aFullPoolCanStillBeLookedInto() async throws {
            let registry = PoolRegistry(stateDirectory: try Scratch.make("state"))
            let path = try Scratch.make("full") + "/pool"
            let pool = try registry.create(path, on: .file(path + ".img"), size: 536_870_912)
            defer { try? registry.destroy(path) }
            let layer = try pool.makeLayer(on: nil, label: "//test:base") {
                try Files.replace("\($0)/a", with: "1".utf8, durable: false)
            }
            let next = try pool.makeLayer(on: layer, label: "//test:next") {
                try Files.replace("\($0)/b", with: "2".utf8, durable: false)
            }
            try pool.name("//test:next", next)
            _ = try pool.createVolume("data", size: nil)
            _ = try pool.snapshotVolume("data", as: "first")
            let task = TaskRecord(id: "100000", name: "t", image: "//test:base", layer: layer, quotaGroup: 1000)
            try pool.createTask(task, limit: nil)
            try Files.replace("\(pool.directory(ofTask: task.id))/rootfs/mine", with: "3".utf8, durable: false)
            fill("\(path)/volumes/data/data")
            let host = try TestHost(pool: path)
            let commands = [
                "pool usage", "pool usage --refresh", "pool usage --of data", "history --volume data",
                "history --volume data --changes",
                "diff --volume data first", "image diff //test:next", "history --image //test:next", "volume ls",
                "volume show data",
                "image ls", "pool show", "image show //test:next", "image du //test:next",
            ]
            func look() async throws {
                for command in commands {
                    let shown = try await host.dish(arguments: command.split(separator: " ").map(String.init))
                    let problem = "\(command): \(shown.code) \(shown.errors) \(shown.output.prefix(200))"
                    #expect(shown.code == 0 && shown.errors.isEmpty, "\(problem)")
                }
                let changes = try pool.changes(in: .task(task), from: "image", to: "now")
                #expect(changes.map(\.path).contains("/mine"), "\(changes)")
            }
            try await look()
            // Where really nothing can be written, on whatever file system.
            try Mounts.mount(path, on: path, flags: UInt(MS_BIND))
            try Mounts.mount("none", on: path, flags: UInt(MS_REMOUNT | MS_BIND | MS_RDONLY))
            #expect(throws: SystemError.self) { _ = try StagingDirectory(in: pool) }
            do {
                try await look()
                try Mounts.unmount(path)
            } catch {
                try? Mounts.unmount(path)
                throw error
            }
            // And room can be made.
            let removed = try await host.dish("volume", "rm", "data@first", "data")
            #expect(removed.code == 0 && removed.errors.isEmpty, "\(removed)")
        }

        @Test func whatAPoolUsesAddsUpAfterRemovals() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let layer = try pool.makeLayer(on: nil) { try Files.replace("\($0)/a", with: "1".utf8, durable: false) }
                var tasks: [TaskRecord] = []
                for number in 0..<4 {
                    // One name, again and again.
                    let task = TaskRecord(
                        id: "\(100_000 + number)", name: "web", image: "//test:base", layer: layer,
                        quotaGroup: UInt64(1000 + number))
                    try pool.createTask(task, limit: nil)
                    try Files.replace(
                        "\(pool.directory(ofTask: task.id))/rootfs/own", with: [UInt8](repeating: 7, count: 31_457_280),
                        durable: false)
                    try Files.replace("\(pool.logs(ofTask: task.id))/console.log", with: "said".utf8, durable: false)
                    tasks.append(task)
                }
                _ = try pool.usage(refreshes: true)
                for task in tasks {
                    try pool.keepLogs(of: RemovedTask(task, created: 1, removed: 2), else: task)
                    try pool.removeTask(task)
                }
                for _ in 0..<2 {
                    let usage = try pool.usage()
                    let sum = usage.sum
                    #expect(sum.unaccountedData >= 0 && sum.unaccountedMetadata >= 0, "\(sum)")
                    let data: [UInt64] = [sum.data, sum.removedData, UInt64(sum.unaccountedData)]
                    #expect(data.reduce(0, +) == usage.dataUsed, "\(usage.dataUsed) \(sum)")
                    let metadata: [UInt64] = [
                        sum.metadata, sum.ownMetadata, sum.removedMetadata, UInt64(sum.unaccountedMetadata),
                    ]
                    #expect(metadata.reduce(0, +) == usage.metadataUsed, "\(usage.metadataUsed) \(sum)")
                    let logs = usage.others.filter { $0.kind == .logs }
                    #expect(logs.count == 4 && Set(logs.map(\.id)).count == 4 && logs.allSatisfy(\.isRemoved), "\(logs)")
                    // The page's tiles: all of it has a name.
                    let bills = try #require(try pool.bills(beside: usage))
                    var owned: UInt64 = 0
                    for subvolume in usage.layers + usage.tasks + usage.volumes { owned += subvolume.own ?? 0 }
                    let named: UInt64 = bills.bytes.values.reduce(owned, +)
                    let used: UInt64 = usage.dataUsed + usage.metadataUsed
                    #expect(
                        named >= used, "\(bills) \(owned) \(usage.dataUsed) \(usage.metadataUsed)")
                    try pool.filesystem().commit()
                }
                let shown = try await TestHost(pool: pool.path).dish("pool", "usage")
                #expect(shown.code == 0 && shown.output.contains("web (removed)") && !shown.output.contains("-30"), "\(shown)")
                #expect(shown.output.contains("data: ") && shown.output.contains(" = "), "\(shown)")
            }
        }
    }
}
