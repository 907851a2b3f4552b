import AgentAPI
import Btrfs
import CLinux
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// Pools on several devices, and what happens to tasks when a device fails.
@Suite(.requiresRoot, .serialized)
struct PoolDeviceTests {
    /// A file that a loop device makes a disk.
    private struct Disk {
        let file: String
        let device: String

        init(_ name: String, in folder: String, size: String = "1G") async throws {
            file = "\(folder)/\(name)"
            _ = try await Command("/usr/bin/truncate", ["-s", size, file]).run()
            device = try await Disk.losetup(["--find", "--show", file])
        }

        static func losetup(_ arguments: [String]) async throws -> String {
            let result = try await Command("/usr/sbin/losetup", arguments).run()
            guard result.status.isSuccess else { throw FixtureError("losetup: \(result.errorText)") }
            return result.text.filter { !$0.isWhitespace }
        }

        /// Overwrites a third of what is on it, at random, but not its superblocks.
        func damage() throws {
            let opened = try OwnedFD.open(file, O_RDWR)
            let block: Int64 = 65536
            var at = dish_seek_data(opened.number, 2 << 20)
            while at >= 0 {
                let end = dish_seek_hole(opened.number, at)
                for place in stride(from: at / block * block, to: end, by: Int(block)) where Int.random(in: 0..<3) == 0 {
                    // The second superblock is at 64 MiB.
                    if place == 64 << 20 { continue }
                    let noise = (0..<4096).map { _ in UInt8.random(in: 0...255) }
                    for offset in stride(from: Int64(0), to: block, by: 4096) {
                        _ = noise.withUnsafeBytes { pwrite(opened.number, $0.baseAddress, $0.count, off_t(place + offset)) }
                    }
                }
                at = dish_seek_data(opened.number, end)
            }
            fsync(opened.number)
        }

        /// Leaves next to nothing of it: reads and writes fail from now on.
        func cut() async throws {
            _ = try await Command("/usr/bin/truncate", ["-s", "4096", file]).run()
            _ = try await Disk.losetup(["--set-capacity", device])
        }
    }

    private struct Shown: Decodable {
        struct Device: Decodable {
            struct Errors: Decodable {
                let corruptions: UInt64
            }
            let path: String
            let errors: Errors
        }
        let healthy: Bool
        let problems: [String]
        let devices: [Device]
        let mountOptions: String
    }

    private struct Scrubbed: Decodable {
        struct Found: Decodable {
            let corrected: UInt64
            let uncorrectable: UInt64
            let checksumErrors: UInt64
            let verifyErrors: UInt64
            let readErrors: UInt64
        }
        let outcome: String
        let found: Found
    }

    private func decode<Value: Decodable>(_ outcome: Outcome) throws -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(outcome.output.utf8))
        } catch {
            throw FixtureError("\(error): \(outcome)")
        }
    }

    /// An image of the host's shell and what else the tasks' script needs, with some files and their digests.
    private func makeImage(_ pool: Pool) async throws {
        let programs = ["/bin/sh", "/usr/bin/sha256sum", "/bin/sleep"]
        var files: Set<String> = Set(programs)
        for program in programs {
            let text = try await Command("/usr/bin/ldd", [program]).run().text
            files.formUnion(text.matches(of: /(\/[^ ]+\.so[^ ]*)/).map { String($0.1) })
        }
        _ = try pool.name(
            "//test:shell",
            pool.makeLayer(on: nil) { root in
                for directory in ["proc", "sys", "dev", "run", "tmp", "etc", "usr/bin", "usr/lib", "usr/lib64", "data"] {
                    try Files.makeDirectories("\(root)/\(directory)")
                }
                for link in ["bin", "lib", "lib64"] { symlink("usr/\(link)", "\(root)/\(link)") }
                try Files.replace("\(root)/etc/os-release", with: "ID=test\n".utf8)
                for file in files {
                    let target = root + (file.hasPrefix("/usr/") ? file : "/usr\(file)")
                    try Files.makeDirectories(Files.parent(of: target))
                    try Files.replace(target, with: Files.read(file), mode: 0o755, durable: false)
                }
                for number in 0..<24 {
                    let noise = try Command("/usr/bin/head", ["-c", "1048576", "/dev/urandom"]).runBlocking()
                    try Files.replace("\(root)/data/\(number)", with: noise.output, durable: false)
                }
                let sums = try Command("/bin/sh", ["-c", "cd \(root) && sha256sum data/* > sums"]).runBlocking()
                guard sums.status.isSuccess else { throw FixtureError(sums.errorText) }
            })
    }

    /// Waits until each task has compared all its files so often again, from the disk.
    private func waitForRounds(_ count: Int, _ tasks: [String], on host: TestHost) async throws {
        func rounds(_ task: String) async throws -> Int {
            let log = try await host.dish("logs", task).output
            guard !log.contains("BROKEN") else { throw FixtureError("the task \(task) read something wrong: \(log)") }
            return log.matches(of: /round/).count
        }
        for task in tasks {
            let before = try await rounds(task)
            for attempt in 0..<600 {
                try Files.set("/proc/sys/vm/drop_caches", "1")
                if try await rounds(task) >= before + count { break }
                guard attempt < 599 else { throw FixtureError("the task \(task) stands still") }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func waitForEvent(_ what: String, on host: TestHost) async throws {
        for _ in 0..<300 {
            if try await host.events().contains(where: { $0.kind == .pool && $0.what == what }) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw FixtureError("no event '\(what)': \(try await host.events().filter { $0.kind == .pool })\n\(host.agentLog)")
    }

    @Test func tasksReadWhatIsRightWhileADeviceIsDamagedAndThenGone() async throws {
        let folder = try Scratch.make("disks")
        let (first, second) = (try await Disk("a", in: folder), try await Disk("b", in: folder))
        let spare = try await Disk("c", in: folder)
        let path = "\(folder)/pool"
        let host = try TestHost(pool: path)
        do {
            let made = try await host.dish(
                "pool", "create", path, "--device", first.device, "--device", second.device, "--data", "raid1", "--metadata",
                "raid1", "--compression", "zstd:1")
            try #require(made.code == 0, "\(made)")
            try await makeImage(Pool(at: path))
            let pool = try Pool(at: path)
            #expect(Set(try pool.filesystem().allocations().filter { $0.used > 0 }.map(\.profile)) == [.raid1])
            try await host.withAgent { _ in
                let script =
                    "i=0; while sha256sum --quiet --check /sums; do echo $i > /round; i=$((i+1)); echo round $i; sleep 0.2; done; echo BROKEN; sleep 600"
                let tasks = ["one", "two"]
                for task in tasks {
                    let run = try await host.dish("run", "-d", "--name", task, "//test:shell", "--", "/bin/sh", "-c", script)
                    try #require(run.code == 0, "\(run)")
                }
                try await waitForRounds(1, tasks, on: host)
                try pool.filesystem().sync()

                // Noise on one device.
                try second.damage()
                try await waitForRounds(3, tasks, on: host)
                let scrub = try await host.dish("pool", "scrub", "start", "--json")
                let found: Scrubbed = try decode(scrub)
                #expect(scrub.code == 0 && found.outcome == "finished", "\(scrub)")
                #expect(found.found.corrected > 0 && found.found.uncorrectable == 0, "\(scrub)")
                let again: Scrubbed = try decode(try await host.dish("pool", "scrub", "start", "--json"))
                #expect(again.found.checksumErrors == 0 && again.found.verifyErrors == 0, "\(again)")
                let history: [Scrubbed] = try decode(try await host.dish("pool", "scrub", "history", "--json"))
                #expect(history.count == 2)
                let failing: Shown = try decode(try await host.dish("pool", "show", "--json"))
                #expect(!failing.healthy && failing.devices[0].errors.corruptions == 0, "\(failing)")
                #expect(
                    failing.devices[1].errors.corruptions > 0 && failing.mountOptions.contains("compress=zstd:1"), "\(failing)")
                #expect(try await host.dish("host", "doctor").output.contains("replace-device"))
                try await waitForEvent("device failing", on: host)
                let counted: Shown = try decode(try await host.dish("pool", "show", "--reset-errors", "--json"))
                #expect(counted.healthy)

                // It goes.
                try await second.cut()
                try await waitForRounds(2, tasks, on: host)
                try await waitForEvent("device cut", on: host)
                let degraded: Shown = try decode(try await host.dish("pool", "show", "--json"))
                #expect(!degraded.healthy && degraded.problems.count == 1, "\(degraded)")
                for _ in 0..<2 {
                    let replaced = try await host.dish("pool", "replace-device", second.device, spare.device)
                    #expect(replaced.code == 0, "\(replaced)")
                }
                try await waitForRounds(2, tasks, on: host)
                let healthy: Shown = try decode(try await host.dish("pool", "show", "--json"))
                #expect(healthy.healthy && Set(healthy.devices.map(\.path)) == [first.device, spare.device], "\(healthy)")
                let last: Scrubbed = try decode(try await host.dish("pool", "scrub", "start", "--json"))
                #expect(last.found.checksumErrors == 0 && last.found.readErrors == 0 && last.found.uncorrectable == 0, "\(last)")
                try await waitForEvent("healthy", on: host)
                // The next mount knows what the pool is on.
                #expect(try Files.readText("\(host.stateDirectory)/pools.json").contains(spare.device))
                for task in tasks { #expect(try await host.task(task).state == .running) }
            }
            try await changeDevices(host, pool, first, spare, in: folder)
        } catch {
            try await takeDown(host, path, [first, second, spare])
            throw error
        }
        try await takeDown(host, path, [first, second, spare])
    }

    private func changeDevices(_ host: TestHost, _ pool: Pool, _ first: Disk, _ second: Disk, in folder: String) async throws {
        let third = try await Disk("d", in: folder)
        for _ in 0..<2 { #expect(try await host.dish("pool", "add-device", third.device).code == 0) }
        #expect(try pool.filesystem().devices().count == 3)
        let refused = try await host.dish("pool", "balance", "start", "--data", "raid1c4")
        #expect(refused.code == 1 && refused.errors.contains("needs 4 devices"), "\(refused)")
        #expect(try await host.dish("pool", "balance", "start", "--usage", "90").code == 0)
        for action in ["pause", "resume", "cancel", "status"] {
            #expect(try await host.dish("pool", "balance", action).code == 0)
        }
        for _ in 0..<2 { #expect(try await host.dish("pool", "remove-device", third.device).code == 0) }
        #expect(Set(try pool.filesystem().devices().map(\.path)) == [first.device, second.device])
        let few = try await host.dish("pool", "remove-device", second.device)
        #expect(few.code == 1 && few.errors.contains("raid1 needs two devices"), "\(few)")
        _ = try await Disk.losetup(["--detach", third.device])
    }

    private func takeDown(_ host: TestHost, _ path: String, _ disks: [Disk]) async throws {
        _ = try? await host.dish("pool", "destroy", "--yes", path)
        try? Mounts.unmount(path, flags: CInt(MNT_DETACH))
        for disk in disks { _ = try? await Disk.losetup(["--detach", disk.device]) }
    }

    @Test func aPoolInAFileGrowsAndIsCompressedWhileItIsInUse() async throws {
        let path = try Scratch.make("growing") + "/pool"
        let host = try TestHost(pool: path)
        #expect(try await host.dish("pool", "create", path, "--size", "600M").code == 0)
        let pool = try Pool(at: path)
        let file = try OwnedFD.open("\(path)/open", O_RDWR | O_CREAT)
        for _ in 0..<2 {
            let grown = try await host.dish("pool", "grow", path, "--size", "1G")
            #expect(grown.code == 0, "\(grown)")
        }
        #expect(try pool.filesystem().space().total == 1 << 30)
        try Files.write([1], to: file.number, "open")
        let smaller = try await host.dish("pool", "grow", path, "--size", "700M")
        #expect(smaller.code == 1 && smaller.errors.contains("can't be made smaller"), "\(smaller)")
        let set = try await host.dish(
            "pool", "set", "--compression", "zstd:3", "--mount-options", "commit=60", "--scrub-every", "7d")
        #expect(set.code == 0, "\(set)")
        #expect(try Mounts.containing(path)?.options.contains("compress=zstd:3") == true)
        _ = try pool.makeLayer(on: nil) { root in
            try Files.replace("\(root)/text", with: [UInt8](repeating: 65, count: 8 << 20), durable: false)
        }
        let usage = try pool.usage(refreshes: true)
        #expect(usage.layers[0].held.map { $0.compression > 10 && $0.referenced < 1 << 20 } == true, "\(usage)")
        // It holds for the next mount too.
        try Mounts.unmount(path, flags: CInt(MNT_DETACH))
        close(file.release())
        #expect(try await host.dish("pool", "usage").code == 0)
        #expect(try Mounts.containing(path)?.options.contains("compress=zstd:3") == true)
        #expect(try await host.dish("pool", "set", "--compression", "none", "--mount-options", "none").code == 0)
        #expect(try Mounts.containing(path)?.options.contains("compress") == false)
        #expect(try await host.dish("pool", "set", "--mount-options", "subvol=/x").code == 2)
        #expect(try await host.dish("pool", "destroy", "--yes", path).code == 0)
    }
}
