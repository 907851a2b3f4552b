import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// Changes by hand in a pool: files where directories belong and the reverse, quotas that are switched off, limits that are lifted.
@Suite(.requiresRoot)
struct StrayEntryTests {
    private func withPool(_ body: (Pool, TestHost) async throws -> Void) async throws {
        let registry = PoolRegistry(stateDirectory: try Scratch.make("state"))
        let path = try Scratch.make("strays") + "/pool"
        let pool = try registry.create(path, on: .file(path + ".img"), size: 512 << 20)
        defer { try? registry.destroy(path) }
        try await body(pool, try TestHost(pool: path))
    }

    @Test func oneStrayEntryStopsNothing() async throws {
        try await withPool { pool, host in
            let layer = try pool.makeLayer(on: nil, label: "//test:base") {
                try Files.replace("\($0)/a", with: "1".utf8, durable: false)
            }
            try pool.name("//test:base", layer)
            _ = try pool.createVolume("data", size: 32 << 20)
            let places = ["names", "staging", "layers", "tasks", "volumes", "actions", "stuck", "volumes/data/snapshots"]
            for place in places {
                let directory = "\(pool.path)/\(place)"
                try Files.makeDirectories(directory)
                try Files.replace("\(directory)/a-file", with: "".utf8, durable: false)
                try Files.makeDirectories("\(directory)/a-directory/below")
                symlink("/dev/zero", "\(directory)/a-link")
                mkfifo("\(directory)/a-pipe", 0o600)
            }
            let commands = [
                ["image", "ls"], ["image", "show", "//test:base"], ["pool", "usage"], ["pool", "show"], ["volume", "ls"],
                ["volume", "create", "more"], ["volume", "snapshot", "data"], ["volume", "rm", "more"], ["image", "gc"],
            ]
            for command in commands {
                let outcome = try await host.dish(arguments: command)
                #expect(outcome.code == 0, "\(command): \(outcome)")
            }
            let checked = try await host.dish("pool", "repair", "--check")
            #expect(checked.code == 1 && checked.output.contains("a-directory"), "\(checked)")
            _ = try await host.dish("pool", "repair")
            // Both find the same now: only what repair can't put right.
            let again = try await host.dish("pool", "repair", "--check")
            let repaired = try await host.dish("pool", "repair")
            #expect(again.code == repaired.code, "\(again)\n\(repaired)")
            #expect(try pool.allNames() == ["//test:base": layer])
            #expect(try Files.list(pool.path + "/staging").isEmpty)
        }
    }

    @Test func quotasThatWereSwitchedOffComeBack() async throws {
        try await withPool { pool, host in
            _ = try pool.createVolume("data", size: 32 << 20)
            let filesystem = try pool.filesystem()
            let volume = try #require(try pool.volumeIfPresent("data"))
            let group = QuotaGroup(level: 1, number: try #require(volume.quotaGroup))
            try filesystem.limit(group, to: nil)
            #expect(try await host.dish("pool", "repair", "--check").output.contains("the limit of the volume 'data'"))
            #expect(try pool.restoreQuotas().count == 1)
            #expect(try filesystem.usage(of: group)?.limit == 32 << 20)
            let off = try await Command(Spawn("/usr/bin/env", ["btrfs", "quota", "disable", pool.path])).run()
            try #require(off.status.isSuccess, "\(off.errorText)")
            #expect(try filesystem.quotaMode() == .off)
            let repaired = try await host.dish("pool", "repair")
            #expect(repaired.output.contains("quotas were switched off"), "\(repaired)")
            #expect(try filesystem.usage(of: group)?.limit == 32 << 20)
            #expect(try pool.restoreQuotas().isEmpty)
            // It counts again.
            #expect(throws: SystemError.self) {
                try Files.replace("\(pool.path)/volumes/data/data/large", with: [UInt8](repeating: 3, count: 48 << 20))
            }
        }
    }

    @Test func outputsLeaveDevicesAndPipesWhatTheyAre() async throws {
        try await withPool { pool, host in
            let layer = try pool.makeLayer(on: nil, label: "//test:base") {
                try Files.replace("\($0)/a", with: "1".utf8, durable: false)
            }
            try pool.name("//test:base", layer)
            _ = try pool.createVolume("data", size: nil)
            let null = try Scratch.make("output") + "/null"
            try #require(mknod(null, S_IFCHR | 0o666, deviceNumber(1, 3)) == 0)
            for command in [
                ["volume", "send", "data", "-o", null], ["image", "export", "//test:base", "docker-archive:\(null)"],
            ] {
                let outcome = try await host.dish(arguments: command)
                var status = stat()
                #expect(lstat(null, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR, "\(command): \(outcome)")
            }
            // A link's target gets what is written, and the link stays.
            let (link, target) = (null + "-link", null + "-target")
            try Files.replace(target, with: "old".utf8)
            symlink(target, link)
            #expect(try await host.dish("volume", "send", "data", "-o", link).code == 0)
            var status = stat()
            #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
            #expect(try Files.read(target).count > 100)
        }
    }

    /// A device number of Linux, small numbers only.
    private func deviceNumber(_ major: UInt64, _ minor: UInt64) -> dev_t { dev_t(major << 8 | minor) }
}
