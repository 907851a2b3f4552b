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

    @Test func tasksReadWhatIsRightWhileADeviceIsDamagedAndThenGone() async throws {
        let folder = try Scratch.make("disks")
        let (first, second) = (try await TestDisk("a", in: folder), try await TestDisk("b", in: folder))
        let spare = try await TestDisk("c", in: folder)
        let path = "\(folder)/pool"
        let host = try TestHost(pool: path)
        do {
            let made = try await host.dish(
                "pool", "create", path, "--device", first.device, "--device", second.device, "--data", "raid1", "--metadata",
                "raid1", "--compression", "zstd:1")
            try #require(made.code == 0, "\(made)")
            try await CheckedImage.make(in: Pool(at: path))
            let pool = try Pool(at: path)
            #expect(Set(try pool.filesystem().allocations().filter { $0.used > 0 }.map(\.profile)) == [.raid1])
            try await host.withAgent { _ in
                let tasks = ["one", "two"]
                for task in tasks {
                    let run = try await host.dish(
                        "run", "-d", "--name", task, CheckedImage.name, "--", "/bin/sh", "-c", CheckedImage.script)
                    try #require(run.code == 0, "\(run)")
                }
                try await host.waitForRounds(1, tasks)
                try pool.filesystem().sync()

                // Noise on one device.
                try second.damage()
                try await host.waitForRounds(3, tasks)
                let scrub = try await host.dish("pool", "scrub", "start", "--json")
                let found: Scrubbed = try decoded(scrub)
                #expect(scrub.code == 0 && found.outcome == "finished", "\(scrub)")
                #expect(found.found.corrected > 0 && found.found.uncorrectable == 0, "\(scrub)")
                let again: Scrubbed = try decoded(try await host.dish("pool", "scrub", "start", "--json"))
                #expect(again.found.checksumErrors == 0 && again.found.verifyErrors == 0, "\(again)")
                let history: [Scrubbed] = try decoded(try await host.dish("pool", "scrub", "history", "--json"))
                #expect(history.count == 2)
                let failing: Shown = try decoded(try await host.dish("pool", "show", "--json"))
                #expect(!failing.healthy && failing.devices[0].errors.corruptions == 0, "\(failing)")
                #expect(
                    failing.devices[1].errors.corruptions > 0 && failing.mountOptions.contains("compress=zstd:1"), "\(failing)")
                #expect(try await host.dish("host", "doctor").output.contains("replace-device"))
                try await host.waitForPoolEvent("device failing")
                let counted: Shown = try decoded(try await host.dish("pool", "show", "--reset-errors", "--json"))
                #expect(counted.healthy)

                // It goes.
                try await second.cut()
                try await host.waitForRounds(2, tasks)
                try await host.waitForPoolEvent("device cut")
                let degraded: Shown = try decoded(try await host.dish("pool", "show", "--json"))
                #expect(!degraded.healthy && degraded.problems.count == 1, "\(degraded)")
                for _ in 0..<2 {
                    let replaced = try await host.dish("pool", "replace-device", second.device, spare.device)
                    #expect(replaced.code == 0, "\(replaced)")
                }
                try await host.waitForRounds(2, tasks)
                let healthy: Shown = try decoded(try await host.dish("pool", "show", "--json"))
                #expect(healthy.healthy && Set(healthy.devices.map(\.path)) == [first.device, spare.device], "\(healthy)")
                let last: Scrubbed = try decoded(try await host.dish("pool", "scrub", "start", "--json"))
                #expect(last.found.checksumErrors == 0 && last.found.readErrors == 0 && last.found.uncorrectable == 0, "\(last)")
                try await host.waitForPoolEvent("healthy")
                // The next mount knows what the pool is on.
                #expect(try Files.readText("\(host.stateDirectory)/pools.json").contains(spare.device))
                for task in tasks { #expect(try await host.task(task).state == .running) }
            }
            try await changeDevices(host, pool, first, spare, in: folder)
        } catch {
            await host.takeDown(path, [first, second, spare])
            throw error
        }
        await host.takeDown(path, [first, second, spare])
    }

    private func changeDevices(_ host: TestHost, _ pool: Pool, _ first: TestDisk, _ second: TestDisk, in folder: String)
        async throws
    {
        let third = try await TestDisk("d", in: folder)
        for _ in 0..<2 { #expect(try await host.dish("pool", "add-device", third.device).code == 0) }
        #expect(try pool.filesystem().devices().count == 3)
        let refused = try await host.dish("pool", "balance", "start", "--data", "raid1c4")
        #expect(refused.code == 1 && refused.errors.contains("needs 4 devices"), "\(refused)")
        #expect(try await host.dish("pool", "balance", "start", "--usage", "90").code == 0)
        // There is none any more, which is no error.
        for action in ["pause", "resume", "cancel", "status"] {
            #expect(try await host.dish("pool", "balance", action).code == 0)
        }
        for _ in 0..<2 { #expect(try await host.dish("pool", "remove-device", third.device).code == 0) }
        #expect(Set(try pool.filesystem().devices().map(\.path)) == [first.device, second.device])
        let few = try await host.dish("pool", "remove-device", second.device)
        #expect(few.code == 1 && few.errors.contains("raid1 needs two devices"), "\(few)")
        _ = try await TestDisk.losetup(["--detach", third.device])
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
