import AgentAPI
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// A pool one of whose devices isn't there when it is mounted.
@Suite(.requiresRoot, .serialized)
struct MissingDeviceTests {
    private struct Shown: Decodable {
        struct Device: Decodable {
            let path: String
            let isMissing: Bool
        }
        struct Allocation: Decodable {
            let kind: String
            let profile: String
            let used: UInt64
        }
        let healthy: Bool
        let problems: [String]
        let devices: [Device]
        let allocations: [Allocation]
        let mountOptions: String

        /// Of what is in use.
        var profiles: Set<String> { Set(allocations.filter { $0.used > 0 }.map(\.profile)) }
    }

    @Test func itGoesOnWithoutItWhenAskedToAndIsHealed() async throws {
        let folder = try Scratch.make("missing")
        let disks = [
            try await TestDisk("a", in: folder), try await TestDisk("b", in: folder), try await TestDisk("c", in: folder),
        ]
        let path = "\(folder)/pool"
        let host = try TestHost(pool: path)
        do {
            try await loseADevice(host, path, disks)
            try await goOn(host, path, disks)
            // The next mount has all it needs.
            try await unmount(path)
            // By whatever name.
            let other = try await TestDisk.losetup(["--find", "--show", disks[2].file])
            _ = try await TestDisk.losetup(["--detach", disks[2].device])
            defer { _ = try? Command("/usr/sbin/losetup", ["--detach", other]).runBlocking() }
            let whole: Shown = try decoded(try await host.dish("pool", "show", "--json"))
            #expect(whole.healthy && whole.profiles == ["raid1"] && !whole.mountOptions.contains("degraded"), "\(whole)")
            #expect(whole.devices.map(\.path) == [disks[0].device, other], "\(whole)")
        } catch {
            await host.takeDown(path, disks)
            throw error
        }
        await host.takeDown(path, disks)
    }

    /// A task has run in the pool and is stopped; the second disk is pulled out.
    private func loseADevice(_ host: TestHost, _ path: String, _ disks: [TestDisk]) async throws {
        let made = try await host.dish(
            "pool", "create", path, "--device", disks[0].device, "--device", disks[1].device, "--data", "raid1", "--metadata",
            "raid1")
        try #require(made.code == 0, "\(made)")
        try await CheckedImage.make(in: Pool(at: path))
        let agent = try await host.startAgent()
        let run = try await host.dish(
            "run", "-d", "--name", "one", "--network", "none", CheckedImage.name, "--", "/bin/sh", "-c", CheckedImage.script)
        try #require(run.code == 0, "\(run)")
        try await host.waitForRounds(1, ["one"])
        try #require(try await host.dish("stop", "one").code == 0)
        agent.kill()
        try await unmount(path)
        _ = try await TestDisk.losetup(["--detach", disks[1].device])

        // Whoever wants the pool is told what to do.
        let advice = "pool set \(path) --mount-options degraded"
        let shown = try await host.dish("pool", "show")
        #expect(shown.code == 1 && shown.errors.contains(disks[1].device) && shown.errors.contains(advice), "\(shown)")
        let doctor = try await host.dish("host", "doctor")
        #expect(doctor.code == 1 && doctor.output.contains("not mounted") && doctor.output.contains(advice), "\(doctor)")
        let refused = try await Command(
            Programs.path("dishd"),
            ["--state-dir", host.stateDirectory, "--run-dir", host.runtimeDirectory, "--pool", path, "--bridge", host.bridge]
        ).run()
        #expect(!refused.status.isSuccess && refused.errorText.contains(advice), "\(refused.errorText)")
        let set = try await host.dish("pool", "set", "--mount-options", "degraded")
        try #require(set.code == 0, "\(set)")
    }

    private func goOn(_ host: TestHost, _ path: String, _ disks: [TestDisk]) async throws {
        try await host.withAgent { _ in
            for what in ["device missing", "degraded"] { try await host.waitForPoolEvent(what) }
            let degraded: Shown = try decoded(try await host.dish("pool", "show", "--json"))
            #expect(!degraded.healthy && degraded.problems.count == 1 && degraded.devices[1].isMissing, "\(degraded)")
            #expect(degraded.problems.first?.contains("dish pool replace-device 2 NEW") == true, "\(degraded)")
            let doctor = try await host.dish("host", "doctor").output
            #expect(doctor.contains("device 2 is missing"), "\(doctor)")
            let started = try await host.dish("start", "one")
            try #require(started.code == 0, "\(started)")
            try await host.waitForRounds(2, ["one"])

            // With one device left, what doesn't fit into what is set aside has one copy.
            let filled = try await Command("/bin/sh", ["-c", "head -c 150M /dev/urandom > \(path)/cache/filler && sync"]).run()
            #expect(filled.status.isSuccess, "\(filled.errorText)")
            let thin: Shown = try decoded(try await host.dish("pool", "show", "--json"))
            #expect(thin.profiles.count > 1, "\(thin)")

            for _ in 0..<2 {
                let replaced = try await host.dish("pool", "replace-device", "2", disks[2].device)
                #expect(replaced.code == 0 && replaced.errors.contains("--mount-options none"), "\(replaced)")
            }
            let healthy: Shown = try decoded(try await host.dish("pool", "show", "--json"))
            #expect(healthy.healthy && healthy.profiles == ["raid1"], "\(healthy)")
            #expect(healthy.devices.map(\.path) == [disks[0].device, disks[2].device], "\(healthy)")
            try await host.waitForPoolEvent("healthy")
            let scrub = try await host.dish("pool", "scrub")
            #expect(scrub.code == 0 && scrub.output.contains("no errors"), "\(scrub)")
            try await host.waitForRounds(2, ["one"])
            let known = try Files.readText("\(host.stateDirectory)/pools.json")
            #expect(known.contains(disks[2].device) && !known.contains(disks[1].device), "\(known)")
            #expect(try await host.dish("pool", "set", "--mount-options", "none").code == 0)
            #expect(try await host.dish("host", "doctor").output.contains("pool \(path)"))
        }
    }

    /// Once the helpers of tasks that were ended are gone.
    private func unmount(_ path: String) async throws {
        for attempt in 0..<200 {
            do {
                return try Mounts.unmount(path)
            } catch {
                guard attempt < 199 else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
