import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Streams {
    /// Removals in a pool that has room neither for data nor for metadata.
    struct FullRemovalTests {
        /// Fills data, so that no chunk is left for metadata, and then metadata, with ever smaller steps.
        private func fill(_ directory: String, _ round: Int) throws {
            let file = try OwnedFD.open("\(directory)/data", O_WRONLY | O_CREAT)
            let number = file.number
            for size in [Int64(16 << 20), 1 << 20, 65_536, 4096] {
                var status = stat()
                while fstat(number, &status) == 0, dish_fallocate(number, 0, Int64(status.st_size), size) == 0 {}
            }
            let pool = try Filesystem(at: directory)
            let value = [UInt8](repeating: 0, count: 15_000)
            for attempt in 0..<20 {
                let name = "\(directory)/\(round)-\(attempt)"
                var count = 0
                while mkdir("\(name)-\(count)", 0o700) == 0 { count += 1 }
                while dish_setxattr("\(directory)/data", "user.\(round).\(attempt).\(count)", value, 15_000, 0) == 0 {
                    count += 1
                }
                if count == 0 { break }
                try? pool.sync()
            }
        }

        private func protect(_ path: String) throws {
            let directory = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
            try retryingInterrupts("protect", path) { dish_set_file_flags(directory.number, DISH_FS_IMMUTABLE) }
        }

        /// A volume, or a root, that can't be removed without opening what is closed.
        private func close(_ root: String) throws {
            // Removing it gives back more than the reserve that it takes.
            let value = [UInt8](repeating: 0, count: 15_000)
            for number in 0..<200 {
                let file = "\(root)/\(number)"
                _ = try OwnedFD.open(file, O_WRONLY | O_CREAT)
                try retryingInterrupts("set attribute", file) { dish_setxattr(file, "user.content", value, 15_000, 0) }
            }
            try Subvolume.create("\(root)/outer")
            try Files.makeDirectories("\(root)/outer/directory")
            try Subvolume.create("\(root)/outer/directory/inner")
            try protect("\(root)/outer/directory/inner")
            try protect("\(root)/outer/directory")
            try Subvolume.makeReadOnly("\(root)/outer")
            try protect(root)
        }

        @Test func everythingCanBeRemovedFromAFullPool() async throws {
            let registry = PoolRegistry(stateDirectory: try Scratch.make("state"))
            let path = try Scratch.make("full") + "/pool"
            let pool = try registry.create(path, on: .file(path + ".img"), size: 536_870_912)
            defer { try? registry.destroy(path) }
            #expect(try Files.list("\(path)/reserve").count == 8)
            for name in ["filler", "closed", "plain", "damaged"] { _ = try pool.createVolume(name, size: nil) }
            try Files.makeDirectories("\(pool.data(ofVolume: "plain"))/directory")
            let layer = try pool.makeLayer(on: nil) { try Files.replace("\($0)/a", with: "1".utf8, durable: false) }
            try pool.name("//test:image", layer)
            let unnamed = try pool.makeLayer(on: nil) { try Files.replace("\($0)/a", with: "2".utf8, durable: false) }
            let task = TaskRecord(id: "100000", name: "t", image: "//test:image", layer: layer, quotaGroup: 1000)
            try pool.createTask(task, limit: nil)
            _ = try pool.snapshot(task, as: "one", at: 1)
            try close("\(pool.directory(ofTask: task.id))/rootfs")
            try close(pool.data(ofVolume: "closed"))
            // Its snapshot is closed, too.
            for name in ["one", "two"] { _ = try pool.snapshotVolume("closed", as: name) }
            for name in ["one", "two"] { _ = try pool.snapshotVolume("plain", as: name) }
            unlink("\(path)/volumes/damaged/volume.json")

            var round = 0
            func whenFull(_ what: String, _ body: () throws -> Void) throws {
                round += 1
                try fill(pool.data(ofVolume: "filler"), round)
                #expect(mkdir("\(path)/staging/\(round)", 0o700) != 0 && errno == ENOSPC, "\(what)")
                #expect(throws: Never.self, "\(what)") { try body() }
            }
            try whenFull("a closed snapshot") { try pool.removeSnapshot("one", of: "closed") }
            let left = try pool.snapshots(of: "closed").map(\.name)
            #expect(left == ["two"])
            try whenFull("a task") {
                let stuck = try pool.removeTask(task)
                #expect(stuck == nil)
            }
            try whenFull("a closed volume") { try pool.removeVolume("closed") }
            try whenFull("a snapshot") { try pool.removeSnapshot("two", of: "plain") }
            try whenFull("a volume") { try pool.removeVolume("plain") }
            try whenFull("an image") {
                let left = try pool.removeImage("//test:image")
                #expect(left.isEmpty)
            }
            try whenFull("collection") {
                var rules = CollectionRules()
                rules.age = -1
                let removed = try pool.collectGarbage(rules, isDry: false).map(\.id)
                #expect(removed == [unnamed])
            }
            try whenFull("repair") {
                let findings = try PoolRepair(pool).run()
                // It goes to its end; a record needs more room than there may be.
                #expect(findings.count == 1, "\(findings)")
            }
            try whenFull("a damaged volume") { try pool.removeVolume("damaged") }
            let (volumes, layers, tasks) = (try pool.allVolumes().map(\.name), try pool.allLayers(), try pool.allTasks())
            #expect(volumes == ["filler"] && layers.isEmpty && tasks.isEmpty)
            try whenFull("the last") { try pool.removeVolume("filler") }
            try pool.filesystem().waitForCleaner(seconds: 30)
            try pool.keepReserve()
            #expect(try Files.list("\(path)/reserve").count == 8)
            let staged = try Files.list("\(path)/staging")
            #expect(staged.isEmpty)
            let places = try Files.list("\(path)/volumes").filter { !$0.hasPrefix(".") }
            #expect(places.isEmpty)
        }
    }
}
