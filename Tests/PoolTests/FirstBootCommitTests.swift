import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Streams {
    /// An image of a task has nothing that the task made for itself at its first boot, whatever the task put in its place.
    struct FirstBootCommitTests {
        private static let unit = """
            [Unit]
            ConditionPathExists=|!/etc/ssh/key
            ConditionPathExists=|!/etc/odd 100%%
            ConditionDirectoryNotEmpty=|!/etc/keys
            ConditionPathExists=|!/outside/victim
            ConditionPathExists=|!/../../victim
            ConditionDirectoryNotEmpty=|!/link
            """

        private static func put(_ path: String, with bytes: some Collection<UInt8>) throws {
            try Files.makeDirectories(Files.parent(of: path))
            try Files.replace(path, with: bytes, durable: false)
        }

        @Test func whatATaskMadeForItselfStaysItsOwn() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let layer = try pool.makeLayer(on: nil) { root in
                    try Self.put("\(root)/etc/machine-id", with: [UInt8]())
                }
                let task = TaskRecord(id: "100000", name: "t", image: "x", layer: layer, quotaGroup: 1000)
                try pool.createTask(task, limit: nil)
                let root = "\(pool.directory(ofTask: task.id))/rootfs"
                let outside = try Scratch.make("outside")
                for path in ["\(outside)/victim", "\(outside)/directory/victim"] {
                    try Self.put(path, with: "x".utf8)
                }
                let units = "\(root)/usr/lib/systemd/system"
                try Self.put("\(units)/dish-first-boot-keys.service", with: Self.unit.utf8)
                for name in ["ssh/key", "odd 100%", "keys/one", "keys/two/three", "kept"] {
                    try Self.put("\(root)/etc/\(name)", with: "secret".utf8)
                }
                try Self.put("\(root)/etc/machine-id", with: (String(repeating: "a", count: 32) + "\n").utf8)
                try Self.put("\(root)/var/lib/systemd/random-seed", with: "seed".utf8)
                // Entries that lead out, never end, or aren't units.
                #expect(symlink(outside, "\(root)/outside") == 0 && symlink("\(outside)/directory", "\(root)/link") == 0)
                #expect(mkfifo("\(units)/dish-first-boot-pipe.service", 0o600) == 0)
                #expect(symlink("/dev/zero", "\(units)/dish-first-boot-endless.service") == 0)
                try Files.makeDirectories("\(units)/dish-first-boot-folder.service")

                let made = try pool.commit(task, as: "committed:1").layer
                let image = pool.root(of: made.id)
                #expect(try Files.list("\(image)/etc").sorted() == ["kept", "keys", "machine-id", "ssh"])
                #expect(try Files.list("\(image)/etc/keys").isEmpty && Files.list("\(image)/etc/ssh").isEmpty)
                #expect(try Files.read("\(image)/etc/machine-id").isEmpty)
                #expect(try Files.list("\(image)/var/lib/systemd").isEmpty)
                // The task's own, and what is outside, stay.
                #expect(try Files.readText("\(root)/etc/ssh/key") == "secret")
                #expect(Files.exists("\(outside)/victim") && Files.exists("\(outside)/directory/victim"))
            }
        }
    }
}
