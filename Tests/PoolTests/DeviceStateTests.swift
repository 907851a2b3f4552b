import AgentAPI
import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// Devices that lack writes: shown by the page, events, metrics, `host doctor` and `pool show` alike.
@Suite(.requiresRoot, .serialized)
struct DeviceStateTests {
    private struct Shown: Decodable {
        struct Status: Decodable {
            let device: UInt64
            let state: String
        }
        struct Mount: Decodable {
            let present: [UInt64]
        }
        let healthy: Bool
        let problems: [String]
        let states: [Status]
        let degradedMounts: [Mount]
    }

    /// Makes a pool of two mirrored disks, and detaches it.
    private func prepare(_ host: TestHost, _ path: String, _ disks: [TestDisk]) async throws {
        let made = try await host.dish(
            "pool", "create", path, "--device", disks[0].device, "--device", disks[1].device, "--data", "raid1", "--metadata",
            "raid1")
        try #require(made.code == 0, "\(made)")
        try write("before", in: path)
        try unmount(path)
    }

    private func write(_ name: String, in path: String) throws {
        try Files.replace("\(path)/cache/\(name)", with: [UInt8](repeating: 7, count: 1 << 20))
        try Pool(at: path).filesystem().sync()
    }

    /// Unmounts and lets the kernel forget the devices, so that one of them can be mounted alone.
    private func unmount(_ path: String) throws {
        try Mounts.unmount(path)
        _ = try Command("/usr/bin/btrfs", ["device", "scan", "--forget"]).runBlocking()
    }

    /// Writes to one half by hand, without the other.
    private func writeAlone(_ disk: TestDisk, _ name: String, at folder: String) throws {
        let place = "\(folder)/alone"
        try Files.makeDirectories(place)
        try Mounts.mount(disk.device, on: place, type: "btrfs", flags: 0, data: "degraded")
        try write(name, in: place)
        try unmount(place)
    }

    private func shown(_ host: TestHost) async throws -> Shown { try decoded(try await host.dish("pool", "show", "--json")) }

    private func get(_ host: TestHost, _ path: String) async throws -> String {
        let socket = AgentDefaults.socket(in: host.runtimeDirectory)
        return try await Command(
            "/usr/bin/curl", ["--silent", "--show-error", "--unix-socket", socket, "http://dishd\(path)"]
        ).run().text
    }

    /// Compares what all five tell.
    private func expectAlike(_ host: TestHost, _ state: String, device: UInt64) async throws {
        try await host.waitForPoolEvent("device \(state)")
        let shown = try await shown(host)
        #expect(!shown.healthy && shown.states.contains { $0.device == device && $0.state == state }, "\(shown)")
        let doctor = try await host.dish("host", "doctor").output
        #expect(doctor.contains("device \(device) is \(state)"), "\(doctor)")
        let metrics = try await get(host, "/metrics")
        #expect(metrics.contains("dish_pool_healthy 0"), "\(metrics)")
        #expect(
            metrics.split(separator: "\n").contains {
                $0.hasPrefix("dish_pool_device_state{") && $0.contains("number=\"\(device)\"")
                    && $0.contains("state=\"\(state)\"") && $0.hasSuffix(" 1")
            }, "\(metrics)")
        let page = try await get(host, "/v1/pool/devices")
        #expect(page.contains("\"\(state)\""), "\(page)")
    }

    private func run(_ body: (TestHost, String, String, [TestDisk]) async throws -> Void) async throws {
        let folder = try Scratch.make("halves")
        let disks = [try await TestDisk("a", in: folder), try await TestDisk("b", in: folder)]
        let path = "\(folder)/pool"
        let host = try TestHost(pool: path)
        do {
            try await prepare(host, path, disks)
            try await body(host, path, folder, disks)
        } catch {
            await host.takeDown(path, disks)
            throw error
        }
        await host.takeDown(path, disks)
    }

    /// The number of lone mounts of each half: equal, and different.
    @Test(arguments: [(1, 1), (3, 2), (9, 1)])
    func halvesThatWereWrittenAloneAreToldBeforeTheyAreRead(_ first: Int, _ second: Int) async throws {
        try await run { host, path, folder, disks in
            for _ in 0..<first { try writeAlone(disks[0], "first", at: folder) }
            for _ in 0..<second { try writeAlone(disks[1], "second", at: folder) }
            try await host.withAgent { _ in
                let state = try await shown(host).states.first { $0.state == "diverged" }
                let device = try #require(state?.device)
                try await expectAlike(host, "diverged", device: device)
                let scrub = try await host.dish("pool", "scrub")
                #expect(scrub.code == 0, "\(scrub)")
                #expect(try await host.dish("pool", "show", "--reset-errors").code == 0)
                #expect(try await shown(host).healthy)
            }
        }
    }

    @Test func aStaleDeviceIsToldBeforeItIsRead() async throws {
        try await run { host, path, _, disks in
            // Mounted by the host itself, without the second.
            _ = try await TestDisk.losetup(["--detach", disks[1].device])
            #expect(try await host.dish("pool", "set", path, "--mount-options", "degraded").code == 0)
            #expect(try await host.dish("pool", "show").code == 0)
            for number in 0..<6 { try write("\(number)", in: path) }
            try unmount(path)
            let back = try await TestDisk.losetup(["--find", "--show", disks[1].file])
            defer { _ = try? Command("/usr/sbin/losetup", ["--detach", back]).runBlocking() }
            #expect(try await host.dish("pool", "set", path, "--mount-options", "none").code == 0)
            try await host.withAgent { _ in
                try await expectAlike(host, "stale", device: 2)
                #expect(try await shown(host).degradedMounts.map(\.present) == [[1]])
            }
            // After another mount all superblocks are alike.
            try unmount(path)
            #expect(try await shown(host).states.map(\.state) == ["ok", "stale"])
            #expect(try await host.dish("pool", "scrub").code == 0)
            #expect(try await host.dish("pool", "show", "--reset-errors").code == 0)
            #expect(try await shown(host).healthy)
        }
    }
}
