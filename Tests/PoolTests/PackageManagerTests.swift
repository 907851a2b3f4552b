import AgentAPI
import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// The agent's package manager: pulls ahead of need, joined, broken off, and room for them (docs/packages.md).
    struct PackageManagerTests {
        private func state(_ host: TestHost, _ reference: String) async throws -> PackageStatus? {
            try await host.client.packages().packages.first { $0.reference == reference }
        }

        private func waitUntil(_ host: TestHost, _ reference: String, is wanted: PackageStatus.State) async throws {
            for _ in 0..<400 {
                if try await state(host, reference)?.state == wanted { return }
                try await Task.sleep(for: .milliseconds(50))
            }
            throw FixtureError("\(reference) never was \(wanted): \(try await host.client.packages())\n\(host.agentLog)")
        }

        private func removeAll(_ pool: Pool) throws {
            var all = CollectionRules()
            (all.age, all.includesNamed) = (0, true)
            _ = try pool.collectGarbage(all, isDry: false)
        }

        @Test func imagesAreFetchedOnceForAllWhoWantThemAlsoAfterAKillAndAnAbsence() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 24)
                // One that logs who asks for what.
                let registry = try await SmallRegistry()
                let reference = "\(registry.host)/app:1"
                #expect(try await hosts.sender.dish("image", "push", "//app:app", reference).code == 0)
                registry.forgetLog()
                try await hosts.receiver.withAgent { agent in
                    // Three who want the same at once.
                    let job = "jobs: [{name: app, image: \"\(reference)\", replicas: 0}]"
                    async let first = hosts.receiver.dish("host", "prepull", reference)
                    async let second = hosts.receiver.dish("host", "prepull", "docker://\(reference)")
                    async let third = hosts.receiver.dish("job", "apply", "-", "--detach", input: job)
                    for outcome in [try await first, try await second, try await third] {
                        #expect(outcome.code == 0, "\(outcome)\n\(hosts.receiver.agentLog)")
                    }
                    let blobs = registry.log.filter { $0.hasPrefix("GET") && $0.contains("/blobs/") }
                    #expect(Set(blobs).count == blobs.count, "\(blobs)")
                    let id = try hosts.senderPool.resolve("//app:app").id
                    #expect(try hosts.receiverPool.resolve(reference).id == id)
                    let listed = try await hosts.receiver.dish("host", "packages")
                    #expect(listed.output.contains("\(reference)  present"), "\(listed)")
                    #expect(try await hosts.receiver.events(reference).map(\.what) == ["pulling", "pulled"])

                    // A job keeps its image from every collection, and from a hand's removal.
                    try removeAll(hosts.receiverPool)
                    #expect(try hosts.receiverPool.resolve(reference).id == id)
                    let removed = try await hosts.receiver.dish("image", "rm", reference)
                    #expect(removed.code == 1 && removed.errors.contains("kept for version 1 of the job 'app'"), "\(removed)")
                    // So is that of the version before, for a rollback.
                    let other = "\(registry.host)/base:1"
                    #expect(try await hosts.sender.dish("image", "push", "//app:base", other).code == 0)
                    let changed = try await hosts.receiver.dish(
                        "job", "apply", "-", input: "jobs: [{name: app, image: \"\(other)\", replicas: 0}]")
                    #expect(changed.code == 0 && changed.output.contains("version 2"), "\(changed)")
                    let collected = try await hosts.receiver.dish("image", "gc", "--all", "--age", "0")
                    #expect(collected.code == 0 && collected.output == "", "\(collected)")
                    let back = try await hosts.receiver.dish("job", "rollback", "app")
                    #expect(back.code == 0 && back.output.contains("version 3"), "\(back)")
                    #expect(try await hosts.receiver.client.history(job: "app").first?.layer == id.hex)
                    #expect(try await hosts.receiver.dish("job", "rm", "app").code == 0)
                    try removeAll(hosts.receiverPool)
                    #expect(try hosts.receiverPool.allLayers().isEmpty)

                    // Killed in the middle: the next agent goes on by itself.
                    #expect(try await hosts.receiver.dish("host", "prepull", "--detach", "--always", reference).code == 0)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...400)))
                    agent.kill()
                    let next = try await hosts.receiver.startAgent()
                    try await waitUntil(hosts.receiver, reference, is: .present)
                    #expect(try hosts.receiverPool.resolve(reference).id == id)

                    // A registry that is away, and comes back.
                    let away = "\(hosts.registry.host)/app:1"
                    #expect(try await hosts.sender.dish("image", "push", "//app:base", away).code == 0)
                    hosts.registry.stop()
                    #expect(try await hosts.receiver.dish("host", "prepull", "--detach", away).code == 0)
                    try await waitUntil(hosts.receiver, away, is: .waiting)
                    #expect(try await state(hosts.receiver, away)?.reason?.contains("cannot reach") == true)
                    next.kill()
                    try await hosts.registry.start()
                    _ = try await hosts.receiver.startAgent()
                    try await waitUntil(hosts.receiver, away, is: .present)

                    // What isn't there is no reason to try on.
                    let missing = try await hosts.receiver.dish("host", "prepull", "\(registry.host)/none:1")
                    #expect(missing.code == 1 && missing.errors.contains("there is no image"), "\(missing)")
                    let refused = try await hosts.receiver.dish(
                        "job", "apply", "-", input: "jobs: [{name: app, image: \"\(registry.host)/none:1\"}]")
                    #expect(
                        refused.code == 1 && refused.errors.contains("task.image: pull '\(registry.host)/none:1'"), "\(refused)")
                    let never = try await hosts.receiver.dish(
                        "job", "apply", "-", input: "jobs: [{name: app, image: \"\(registry.host)/none:1\", pull: never}]")
                    #expect(never.code == 1 && never.errors.contains("there is no image"), "\(never)")
                }
            }
        }

        @Test func aSmallPoolIsCollectedUnderPressureAndThenPullsAreRefused() async throws {
            try await withHosts { hosts in
                for version in 1...2 {
                    try await build(hosts.sender, version: version, megabytes: 24)
                    let pushed = try await hosts.sender.dish(
                        "image", "push", "//app:app", "\(hosts.registry.host)/app:\(version)", "--no-delta")
                    #expect(pushed.code == 0, "\(pushed)")
                }
                let (old, new) = ("\(hosts.registry.host)/app:1", "\(hosts.registry.host)/app:2")
                let pool = hosts.receiverPool
                let space = try pool.filesystem().space()
                // What is to be exceeded by the first image and a file, and not without the image.
                try await hosts.receiver.withAgent(["--packages-high", "50", "--packages-low", "50", "--packages-spare", "0"]) {
                    _ in
                    #expect(try await hosts.receiver.dish("host", "prepull", old).code == 0)
                    // The blobs that it came from are gone, and their space is back.
                    try pool.filesystem().sync()
                    let used = space.total - (try pool.filesystem().space().available)
                    let filler = "\(pool.path)/filler"
                    let bytes = space.total / 2 - used + (12 << 20)
                    #expect(try await Command("/usr/bin/fallocate", ["-l", "\(bytes)", filler]).run().status.isSuccess)
                    try pool.filesystem().sync()
                    let pulled = try await hosts.receiver.dish("host", "prepull", new)
                    #expect(pulled.code == 0, "\(pulled)\n\(hosts.receiver.agentLog)")
                    #expect(try await hosts.receiver.events(old).map(\.what).contains("collected"))
                    #expect((try? pool.resolve(old)) == nil)

                    // With nothing left to collect it is full.
                    #expect(
                        try await Command("/usr/bin/fallocate", ["-l", "\(bytes + (64 << 20))", filler]).run().status.isSuccess)
                    try pool.filesystem().sync()
                    let refused = try await hosts.receiver.dish("host", "prepull", old)
                    #expect(refused.code == 1 && refused.errors.contains("images are pulled up to 50 %"), "\(refused)")
                    let doctor = try await hosts.receiver.dish("host", "doctor")
                    #expect(doctor.output.contains("images: pulls are refused"), "\(doctor)")
                    #expect(try await hosts.receiver.events().contains { $0.what == "pool full" })
                    unlink(filler)
                    try pool.filesystem().sync()
                    let again = try await hosts.receiver.dish("host", "prepull", old)
                    #expect(again.code == 0, "\(again)\n\(hosts.receiver.agentLog)")
                    #expect(try await hosts.receiver.events().contains { $0.what == "pool has room" })
                }
            }
        }
    }
}
