import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// A pool's file must never be on two loop devices: each would be a file system that knows nothing of the other.
@Suite(.requiresRoot, .serialized)
struct PoolMountTests {
    @Test func aPoolInAFileIsMountedOnceHoweverItIsReached() async throws {
        let folder = try Scratch.make("mount")
        try Files.makeDirectories("\(folder)/real")
        symlink("\(folder)/real", "\(folder)/link")
        let (path, place) = ("\(folder)/link/pool", "\(folder)/real/pool")
        let host = try TestHost(pool: path)
        func counts() throws -> [Int] {
            let devices = try Files.list("/sys/class/block").filter { name in
                try Files.readTextIfPresent("/sys/class/block/\(name)/loop/backing_file") == "\(place).img\n"
            }
            return [try Mounts.list().count { $0.path == place }, devices.count]
        }
        func use() async throws {
            let shown = try await host.dish("pool", "show")
            #expect(shown.code == 0, "\(shown)")
        }
        defer { while (try? counts()[0]) ?? 0 > 0, (try? Mounts.unmount(place, flags: CInt(MNT_DETACH))) != nil {} }
        let made = try await host.dish("pool", "create", path, "--size", "600M")
        try #require(made.code == 0, "\(made)")
        try await use()
        #expect(try counts() == [1, 1], "through a symbolic link")
        #expect(try await host.dish("pool", "ls").output.contains("default"))

        try Mounts.unmount(place)
        async let first: Void = use()
        async let second: Void = use()
        async let third: Void = use()
        async let fourth: Void = use()
        _ = try await (first, second, third, fourth)
        #expect(try counts() == [1, 1], "by several at once")

        // As when it is taken away under a task, and mounted anew.
        let open = try OwnedFD.open("\(place)/pool.json", O_RDONLY)
        try Mounts.unmount(place, flags: CInt(MNT_DETACH))
        try await use()
        #expect(try counts() == [1, 1], "while it is in use elsewhere")
        _ = consume open

        #expect(try await host.dish("pool", "destroy", "--yes", path).code == 0)
        #expect(try counts() == [0, 0] && !Files.exists("\(place).img"))
    }
}
