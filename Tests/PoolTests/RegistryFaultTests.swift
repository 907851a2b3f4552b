import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// What goes wrong on the way leaves nothing, and the same command ends well afterwards.
    @Suite struct FaultTests {
        private func withProxy(_ body: (Hosts, FaultyProxy, String) async throws -> Void) async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 4)
                let pushed = try await hosts.sender.dish("image", "push", "//app:app", "\(hosts.registry.host)/app:1")
                try #require(pushed.code == 0, "\(pushed)")
                let proxy = try await FaultyProxy(to: hosts.registry.host)
                try await body(hosts, proxy, "\(proxy.host)/app:1")
            }
        }

        private func requireNothing(_ pool: Pool) throws {
            #expect(try pool.allLayers().isEmpty && pool.allNames().isEmpty)
            #expect(try Files.list("\(pool.path)/staging") == [])
        }

        @Test(arguments: [
            // The first blob is the config.
            ["500", "500"], ["none", "cut"], ["none", "cut", "cut", "cut"], ["none", "stall"], ["none", "wrong"],
            ["none", "long"],
            ["none", "short"], ["redirect", "redirect", "redirect"], ["none", "cut", "none", "norange"],
            ["none", "500", "cut", "500"],
        ])
        func aPullGetsOverFaults(_ faults: [String]) async throws {
            try await withProxy { hosts, proxy, reference in
                try proxy.spoil(faults)
                let pulled = try await hosts.receiver.dish("image", "pull", reference, "--stall-timeout", "2")
                #expect(pulled.code == 0, "\(faults): \(pulled)")
                #expect(proxy.left == "")
                #expect(try hosts.receiverPool.resolve(reference).id == hosts.senderPool.resolve("//app:app").id)
                #expect(try Files.list("\(hosts.receiverPool.cache)/blobs") == [])
            }
        }

        @Test(arguments: ["wrong", "long", "short", "500", "cut"])
        func whatStaysWrongIsAnErrorAndLeavesNothing(_ fault: String) async throws {
            try await withProxy { hosts, proxy, reference in
                try proxy.spoil(["none"] + [String](repeating: fault, count: 40))
                let pulled = try await hosts.receiver.dish("image", "pull", reference, "--attempts", "2")
                #expect(pulled.code == 1 && pulled.errors.contains("blob"), "\(fault): \(pulled)")
                try requireNothing(hosts.receiverPool)
                try proxy.spoil([])
                #expect(try await hosts.receiver.dish("image", "pull", reference).code == 0)
            }
        }

        @Test(arguments: [["500"], ["drop", "drop"], ["lost"], ["none", "lost", "500", "drop"]])
        func aPushGetsOverFaults(_ faults: [String]) async throws {
            try await withProxy { hosts, proxy, _ in
                // Another registry, which has nothing yet.
                let other = try await TestRegistry()
                let proxy = try await FaultyProxy(to: other.host)
                try proxy.spoil(faults)
                let pushed = try await hosts.sender.dish("image", "push", "//app:app", "\(proxy.host)/app:1")
                #expect(pushed.code == 0 && proxy.left == "", "\(faults): \(pushed)")
                let pulled = try await hosts.receiver.dish("image", "pull", "\(other.host)/app:1")
                #expect(pulled.code == 0, "\(pulled)")
                #expect(try hosts.receiverPool.resolve("\(other.host)/app:1").id == hosts.senderPool.resolve("//app:app").id)
            }
        }

        @Test(arguments: ["500", "drop"])
        func aPushThatFailsLeavesNoImage(_ fault: String) async throws {
            try await withProxy { hosts, _, _ in
                let other = try await TestRegistry()
                let proxy = try await FaultyProxy(to: other.host)
                try proxy.spoil([String](repeating: fault, count: 40))
                let pushed = try await hosts.sender.dish("image", "push", "//app:app", "\(proxy.host)/app:1", "--attempts", "2")
                #expect(pushed.code == 1 && pushed.errors.contains("store the blob"), "\(pushed)")
                let pulled = try await hosts.receiver.dish("image", "pull", "\(other.host)/app:1")
                #expect(pulled.code == 1 && pulled.errors.contains("there is no image"), "\(pulled)")
                try proxy.spoil([])
                #expect(try await hosts.sender.dish("image", "push", "//app:app", "\(proxy.host)/app:1").code == 0)
                #expect(try await hosts.receiver.dish("image", "pull", "\(other.host)/app:1").code == 0)
            }
        }

        /// An image of others, whose blobs come the same way.
        @Test func anImportGetsOverFaults() async throws {
            try await withProxy { hosts, proxy, _ in
                let folder = try Scratch.make("layout")
                #expect(try await hosts.sender.dish("image", "export", "//app:app", "oci:\(folder):app").code == 0)
                let copied = try await Command(
                    "/usr/bin/skopeo",
                    ["copy", "-q", "--dest-tls-verify=false", "oci:\(folder):app", "docker://\(hosts.registry.host)/oci:1"]
                ).run()
                try #require(copied.status.isSuccess, "\(copied.errorText)")
                for faults in [
                    ["none", "cut", "500"], ["none", "wrong", "wrong"], ["none", "stall"], ["none", "short", "long"],
                ] {
                    try proxy.spoil(faults)
                    let imported = try await hosts.receiver.dish(
                        "image", "import", "\(proxy.host)/oci:1", "--stall-timeout", "2")
                    #expect(imported.code == 0 && proxy.left == "", "\(faults): \(imported)")
                    #expect(try await hosts.receiver.dish("image", "gc", "--age", "0", "--all").code == 0)
                    try requireNothing(hosts.receiverPool)
                }
                try proxy.spoil(["none"] + [String](repeating: "wrong", count: 20))
                let imported = try await hosts.receiver.dish("image", "import", "\(proxy.host)/oci:1")
                #expect(imported.code == 1 && imported.errors.contains("other bytes than its digest"), "\(imported)")
                try requireNothing(hosts.receiverPool)
            }
        }

        @Test func aRegistryThatIsGoneIsAnErrorThatSaysSo() async throws {
            try await withProxy { hosts, _, _ in
                kill(hosts.registry.pid, SIGKILL)
                let pulled = try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/app:1", "--attempts", "2")
                #expect(pulled.code == 1 && pulled.errors.contains("cannot reach \(hosts.registry.host)"), "\(pulled)")
                try requireNothing(hosts.receiverPool)
            }
        }

        /// How many moments: `DISH_KILLS` sets another number.
        private static let kills = getenv("DISH_KILLS").flatMap { Int(String(cString: $0)) } ?? 8

        @Test func aPullKilledAtRandomMomentsEndsWellTheNextTime() async throws {
            try await withProxy { hosts, _, _ in
                let reference = "\(hosts.registry.host)/app:1"
                let start = ContinuousClock.now
                #expect(try await hosts.receiver.dish("image", "pull", reference).code == 0)
                let length = ContinuousClock.now - start
                let id = try hosts.senderPool.resolve("//app:app").id
                for _ in 0..<Self.kills {
                    var all = CollectionRules()
                    (all.age, all.includesNamed) = (0, true)
                    _ = try hosts.receiverPool.collectGarbage(all, isDry: false)
                    #expect(try hosts.receiverPool.allLayers().isEmpty)
                    let pid = try hosts.receiver.start("image", "pull", reference)
                    try await Task.sleep(for: length * Double.random(in: 0...1))
                    kill(pid, SIGKILL)
                    waitpid(pid, nil, 0)
                    for layer in try hosts.receiverPool.allLayers() {
                        #expect(try TreeDigest(of: hosts.receiverPool.root(of: layer.id)).id == layer.id)
                    }
                    let pulled = try await hosts.receiver.dish("image", "pull", reference)
                    #expect(pulled.code == 0, "\(pulled)")
                    #expect(try hosts.receiverPool.resolve(reference).id == id)
                    #expect(try Files.list("\(hosts.receiverPool.path)/staging") == [])
                }
            }
        }

        @Test func aFullPoolIsAnErrorThatSaysSo() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 64)
                #expect(try await hosts.sender.dish("image", "push", "//app:app", "\(hosts.registry.host)/app:1").code == 0)
                let file = "\(hosts.receiverPool.path)/filler"
                let free = try hosts.receiverPool.filesystem().space().available
                #expect(try await Command("/usr/bin/fallocate", ["-l", "\(free - (80 << 20))", file]).run().status.isSuccess)
                let pulled = try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/app:1")
                #expect(
                    pulled.code == 1 && (pulled.errors.contains("full") || pulled.errors.contains("No space left")), "\(pulled)")
                #expect(try Files.list("\(hosts.receiverPool.path)/staging") == [])
                unlink(file)
                // Its space is free again with the next commit.
                try hosts.receiverPool.filesystem().sync()
                let again = try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/app:1")
                #expect(again.code == 0, "\(again)")
            }
        }
    }
}
