import AgentAPI
import Btrfs
import Fixtures
import Foundation
import Glibc
import Layers
import Linux
import SendStream
import Spec
import Testing

extension Streams {
    /// Layers are compared with their ids, and what is damaged is set aside (docs/pool.md).
    @Suite struct LayerCheckTests {
        private func property(_ root: String, readOnly: Bool) async throws {
            let set = try await Command("/usr/bin/btrfs", ["property", "set", "-f", root, "ro", "\(readOnly)"]).run()
            try #require(set.status.isSuccess, "\(set.errorText)")
        }

        /// As a hand does it, or a program that had it open.
        private func damage(_ pool: Pool, _ layer: LayerID, closes: Bool = true) async throws {
            try await property(pool.root(of: layer), readOnly: false)
            try Files.replace("\(pool.root(of: layer))/file", with: "damaged".utf8)
            if closes { try await property(pool.root(of: layer), readOnly: true) }
        }

        private func make(_ pool: Pool, _ name: String, on parent: LayerID? = nil) throws -> LayerID {
            let layer = try pool.makeLayer(on: parent, label: "//test:\(name)") { root in
                try Files.replace("\(root)/file", with: name.utf8, durable: false)
                try Files.replace("\(root)/large", with: [UInt8](repeating: 7, count: 1 << 20), durable: false)
                // Made again it is the same.
                let time = timespec(tv_sec: 1_700_000_000, tv_nsec: 0)
                for path in ["\(root)/file", "\(root)/large", root] { #expect(utimensat(AT_FDCWD, path, [time, time], 0) == 0) }
            }
            try pool.name(name, layer)
            return layer
        }

        private func problem(_ body: () throws -> Void) -> PoolError? {
            do {
                try body()
                return nil
            } catch {
                return error as? PoolError
            }
        }

        @Test func eachLayerIsCheckedInItsTurnAndOneThatChangedAtOnce() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let (first, second) = (try make(pool, "first"), try make(pool, "second"))
                let now = Int64(time(nil))
                #expect(try Set(pool.layersToCheck(every: 3600, now: now)) == [first, second])
                for layer in [first, second] {
                    try pool.requireWhole(layer)
                    #expect(try pool.checkLayer(layer) == .whole(hasRecovered: false))
                }
                #expect(try pool.layersToCheck(every: 3600, now: now) == [])
                #expect(try pool.layerChecks(rate: 1, every: 3600, now: now).checked == 2)
                // Later each is due again, and a clock that was set back stops nothing.
                #expect(try pool.layersToCheck(every: 3600, now: now + 4000).count == 2)
                #expect(try pool.layersToCheck(every: 3600, now: now - 4000).count == 2)
                // A snapshot, another name and a start of the host's pool are no changes.
                try Subvolume.snapshot(pool.root(of: first), to: "\(pool.path)/staging/copy")
                try Files.replace("\(pool.path)/staging/copy/file", with: "x".utf8)
                try Filesystem(at: pool.path).sync()
                #expect(try pool.layersToCheck(every: 3600, now: now) == [])
                // What changed comes first, and nothing starts from it before it was looked at.
                try await damage(pool, second)
                #expect(try pool.layersToCheck(every: 3600, now: now + 4000).first == second)
                #expect(try pool.layersToCheck(every: 3600, now: now, onlyChanged: true) == [second])
                #expect(problem { try pool.requireWhole(second) }?.code == .damaged)
                let task = TaskRecord(
                    id: String(repeating: "a", count: 12), name: "t", image: "second", layer: second, quotaGroup: nil)
                #expect(problem { try pool.createTask(task, limit: nil) }?.code == .damaged)
                #expect(try pool.allTasks() == [])
                // One that is only open, and whole, is closed.
                try await property(pool.root(of: first), readOnly: false)
                #expect(problem { try pool.requireWhole(first) }?.description.contains("can be written to") == true)
                #expect(try pool.checkLayer(first) == .whole(hasRecovered: false))
                #expect(try Subvolume.info(pool.root(of: first)).isReadOnly)
                try pool.requireWhole(first)
            }
        }

        @Test func whatChangesBeforeTheFirstCheckIsKnownToo() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let (new, old) = (try make(pool, "new"), try make(pool, "old"))
                // As earlier versions left it, up to the agent's start.
                unlink("\(pool.layers)/\(old.hex)/checked")
                unlink("\(pool.layers)/\(old.hex)/layer.json.copy")
                try pool.keepCopies()
                #expect(Files.exists("\(pool.layers)/\(old.hex)/layer.json.copy"))
                let now = Int64(time(nil))
                #expect(try pool.layersToCheck(every: 3600, now: now).count == 2)
                for layer in [new, old] {
                    try pool.requireWhole(layer)
                    try await damage(pool, layer)
                    #expect(problem { try pool.requireWhole(layer) }?.code == .damaged)
                }
                #expect(try pool.layersToCheck(every: 3600, now: now, onlyChanged: true).count == 2)
                // Without being asked to read content.
                let found = try PoolRepair(pool).run().filter { $0.subject.hasPrefix("layer ") }
                #expect(found.count == 2 && found.allSatisfy { $0.isRepaired && $0.problem.contains("another than its id says") })
            }
        }

        @Test func whatIsDamagedIsMovedAwayWithItsNames() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let layer = try make(pool, "image")
                try await damage(pool, layer, closes: false)
                guard case .damaged(let found, isNews: true) = try pool.checkLayer(layer) else {
                    Issue.record("it isn't found")
                    return
                }
                #expect(found.names == ["image"] && found.label == "//test:image" && found.tasks == [])
                #expect(try Files.readText("\(found.place ?? "")/rootfs/file") == "damaged")
                #expect(try pool.allNames()["image"] == nil && pool.layer(layer) == nil)
                #expect(try pool.damagedLayers() == [found])
                // Made again it is as before, and there is nothing to tell any more.
                #expect(try make(pool, "image") == layer)
                #expect(try pool.damagedLayers() == [])
                #expect(try pool.checkLayer(layer) == .whole(hasRecovered: false))
                // A layer that is gone, or has no root, ends nothing.
                #expect(try pool.checkLayer(LayerID(String(repeating: "0", count: 64))!) == .undecided)
                try Subvolume.deleteRecursively(pool.root(of: layer))
                guard case .damaged(let second, isNews: true) = try pool.checkLayer(layer) else {
                    Issue.record("it isn't found")
                    return
                }
                #expect(second.place?.hasSuffix("\(layer.hex).2") == true && second.problem.contains("no root"))
            }
        }

        @Test func oneThatTasksStandOnStaysAndNoMoreStart() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let layer = try make(pool, "image")
                let task = TaskRecord(
                    id: String(repeating: "a", count: 12), name: "user", image: "image", layer: layer, quotaGroup: nil)
                try pool.createTask(task, limit: nil)
                try await damage(pool, layer)
                for isNews in [true, false] {
                    guard case .damaged(let found, isNews: let news) = try pool.checkLayer(layer) else {
                        Issue.record("it isn't found")
                        return
                    }
                    #expect(found.tasks == ["user"] && found.place == nil && news == isNews, "\(found)")
                }
                let refusal = problem { try pool.requireWhole(layer) }
                #expect(
                    refusal?.code == .damaged && refusal?.description.contains("(user)") == true, "\(refusal.debugDescription)")
                #expect(problem { _ = try pool.tree(of: layer) }?.code == .damaged)
                #expect(
                    problem {
                        var sink = MemorySink()
                        try pool.writeImage(layer, toReceiverWith: nil, to: &sink)
                    }?.code == .damaged)
                #expect(try pool.damagedLayers().map(\.id) == [layer])
                _ = try pool.removeTask(task)
                guard case .damaged(let moved, isNews: true) = try pool.checkLayer(layer) else {
                    Issue.record("it isn't moved")
                    return
                }
                #expect(moved.place != nil && moved.names == ["image"])
            }
        }

        private func cachedPages(_ path: String) throws -> Int {
            let file = try OwnedFD.open(path, O_RDONLY)
            let size = 1 << 20
            let mapped = try #require(mmap(nil, size, PROT_READ, MAP_SHARED, file.number, 0))
            defer { munmap(mapped, size) }
            var pages = [UInt8](repeating: 0, count: size / Int(getpagesize()))
            #expect(mincore(mapped, size, &pages) == 0)
            return pages.filter { $0 & 1 != 0 }.count
        }

        @Test func checksGoAtTheirRateAndCanBeCancelled() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let layer = try make(pool, "image")
                let begun = ContinuousClock.now
                _ = try await blocking(pace: ReadPace(bytesPerSecond: 2 << 20)) { try pool.checkLayer(layer) }
                #expect(ContinuousClock.now - begun >= .milliseconds(490))
                #expect(try cachedPages("\(pool.root(of: layer))/large") == 0)
                let slow = Task { try await blocking(pace: ReadPace(bytesPerSecond: 1024)) { try pool.checkLayer(layer) } }
                try await Task.sleep(for: .milliseconds(100))
                // Nothing is locked meanwhile, and nobody is kept from removing it.
                try pool.requireWhole(layer)
                try pool.remove(layer)
                slow.cancel()
                await #expect(throws: CancellationError.self) { _ = try await slow.value }
            }
        }

        /// What no build has made: neither parent nor label are in any other record.
        @Test func recordsThatAreWrittenAnewHaveWhatTheyHad() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let base = try make(pool, "base")
                let layer = try pool.makeLayer(on: nil, label: "a label with blanks") { root in
                    try Files.replace("\(root)/x", with: "x".utf8, durable: false)
                }
                let child = try make(pool, "child", on: base)
                try pool.removeName("child")
                let records = try [layer, child].map { try pool.layer($0) }
                _ = try pool.createVolume("data", size: 64 << 20)
                _ = try pool.setVolume("data", shared: true, schedule: SnapshotSchedule(hourly: 3))
                _ = try pool.snapshotVolume("data", as: "kept")
                _ = try pool.pinSnapshot("kept", of: "data", true)
                let (volume, snapshot) = (try pool.volume("data"), try pool.snapshot("kept", of: "data"))
                for id in [layer, child] { try Files.replace("\(pool.layers)/\(id.hex)/layer.json", with: "{".utf8) }
                let directory = "\(pool.path)/volumes/data"
                for file in ["volume.json", "snapshots/kept/snapshot.json"] {
                    try Files.replace("\(directory)/\(file)", with: [])
                }
                let found = try PoolRepair(pool).run()
                #expect(found.count == 4 && found.allSatisfy(\.isRepaired), "\(found)")
                #expect(try [layer, child].map { try pool.layer($0) } == records)
                #expect(try pool.volume("data") == volume)
                #expect(try pool.snapshot("kept", of: "data") == snapshot)
                #expect(try PoolRepair(pool, readsContent: true).run() == [])
            }
        }
    }
}

/// The same by the agent, which tells it everywhere.
@Suite(.requiresRoot, .serialized)
struct LayerWatchTests {
    @Test func theAgentTellsAndNoMoreTasksStart() async throws {
        try await SmallPool.use { small in
            let (host, pool) = (small.host, try Pool(at: small.path))
            let layer = try pool.resolve("//tool:shell").id
            let root = pool.root(of: layer)
            for rate in ["1K", "x", "-1"] {
                let refused = try await host.dish("pool", "set", small.path, "--check-rate=\(rate)")
                #expect(refused.code == 2 && refused.errors.contains("at least 64K"), "\(refused)")
            }
            try #require(try await host.dish("pool", "set", small.path, "--check-rate", "32M").code == 0)
            try await host.withAgent { _ in
                _ = try await small.start("user")
                func wait(_ until: () async throws -> Bool) async throws {
                    for _ in 0..<900 where try await !until() { try await Task.sleep(for: .milliseconds(100)) }
                }
                try await wait { try pool.layersToCheck(every: 3600, now: Int64(time(nil))).isEmpty }
                let well = try await host.dish("pool", "show", small.path)
                #expect(well.output.contains("layers checked: 1 of 1; each every 7d, at 32"), "\(well)")
                for value in ["false", "true"] {
                    let set = try await Command("/usr/bin/btrfs", ["property", "set", "-f", root, "ro", value]).run()
                    try #require(set.status.isSuccess, "\(set.errorText)")
                    if value == "false" { try Files.replace("\(root)/intruder", with: "x".utf8) }
                }
                // From this moment on.
                let refused = try await small.run("second")
                #expect(refused.code != 0 && refused.errors.contains("layer \(layer.short)"), "\(refused)")
                try await wait { try await host.dish("events").output.contains("layer damaged") }
                let events = try await host.dish("events")
                #expect(events.output.contains("layer damaged") && events.output.contains("user"), "\(events)\n\(host.agentLog)")
                let again = try await small.run("third")
                #expect(again.code != 0 && again.errors.contains("another than its id says"), "\(again)")
                #expect(try await host.task("user").state.rawValue == "running")
                let shown = try await host.dish("pool", "show", small.path)
                #expect(shown.output.contains("problem: layer \(layer.short)"), "\(shown)")
                let doctor = try await host.dish("host", "doctor")
                #expect(doctor.output.contains("the layer \(layer.short) is damaged"), "\(doctor)")
                let metrics = try await Command(
                    "/usr/bin/curl",
                    ["-sS", "--unix-socket", AgentDefaults.socket(in: host.runtimeDirectory), "http://dishd/metrics"]
                ).run()
                #expect(metrics.text.contains("dish_pool_damaged_layers 1"), "\(metrics.text.prefix(300)) \(metrics.errorText)")
            }
        }
    }
}
