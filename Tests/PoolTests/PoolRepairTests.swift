import CLinux
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// `dish pool repair` (docs/pool.md, "Repair").
@Suite(.requiresRoot, .serialized)
struct PoolRepairTests {
    private func findings(_ host: TestHost, _ arguments: String...) async throws -> (code: CInt, found: [PoolFinding]) {
        let outcome = try await host.dish(arguments: ["pool", "repair", "--json"] + arguments)
        return (outcome.code, try JSONDecoder().decode([PoolFinding].self, from: Data(outcome.output.utf8)))
    }

    @Test func damagedRecordsAreWrittenAnewAndNothingIsLost() async throws {
        try await SmallPool.use { small in
            let (host, pool) = (small.host, try Pool(at: small.path))
            let clean = try await host.dish("pool", "repair", "--content")
            #expect(clean.code == 0 && clean.text == "nothing is wrong", "\(clean)")

            let layer = try pool.resolve("//tool:shell")
            try #require(try await host.dish("volume", "create", "data", "--size", "32M").code == 0)
            try Files.replace("\(pool.data(ofVolume: "data"))/kept", with: "kept".utf8)
            try #require(try await host.dish("volume", "snapshot", "data", "monday").code == 0)
            let (volume, snapshot) = (try pool.volume("data"), try pool.snapshot("monday", of: "data"))

            try Files.replace("\(pool.layers)/\(layer.id.hex)/layer.json", with: "{".utf8)
            let volumes = "\(small.path)/volumes/data"
            try Files.replace("\(volumes)/volume.json", with: [])
            try Files.replace("\(volumes)/snapshots/monday/snapshot.json", with: "[]".utf8)
            try Files.replace("\(small.path)/names/gone", with: String(repeating: "0", count: 64).utf8)
            try Files.replace("\(small.path)/pool.json", with: [])

            let listed = try await host.dish("image", "ls")
            #expect(listed.code == 1, "\(listed)")
            let kept = try await host.dish("pool", "destroy", "--yes", small.path)
            #expect(kept.code == 1 && kept.errors.contains("can't be seen") && Files.exists("\(small.path).img"), "\(kept)")
            // As after a start of the host.
            try Mounts.unmount(small.path)
            let checked = try await host.dish("pool", "repair", "--check")
            #expect(checked.code == 1 && checked.output.contains("pool.json"), "\(checked)")
            let (code, found) = try await findings(host)
            #expect(code == 0 && found.allSatisfy(\.isRepaired), "\(found)")
            #expect(
                found.map(\.subject) == [
                    "pool", "layer \(layer.id.short)", "name gone", "volume data", "snapshot monday of volume data",
                ])
            let again = try pool.resolve("//tool:shell")
            #expect(
                again.id == layer.id && again.parent == layer.parent && again.label == layer.label && again.size == layer.size)
            let restored = try pool.volume("data")
            #expect(restored.size == volume.size && restored.quotaGroup == volume.quotaGroup)
            let now = try pool.snapshot("monday", of: "data")
            #expect(now.id == snapshot.id && now.size == snapshot.size)
            #expect(try await findings(host, "--content") == (0, []))
            try await host.withAgent { _ in _ = try await small.start("user", "--volume", "data:/srv") }
        }
    }

    @Test func aLayerThatIsNotWhatItsIdSaysIsSetAside() async throws {
        try await SmallPool.use { small in
            let (host, pool) = (small.host, try Pool(at: small.path))
            let layer = try pool.resolve("//tool:shell")
            let root = pool.root(of: layer.id)
            try await host.withAgent { _ in
                _ = try await small.start("user")
                for value in ["false", "true"] {
                    let set = try await Command("/usr/bin/btrfs", ["property", "set", "-f", root, "ro", value]).run()
                    try #require(set.status.isSuccess, "\(set.errorText)")
                    if value == "false" { try Files.replace("\(root)/intruder", with: "x".utf8) }
                }
                let (code, used) = try await findings(host, "--content")
                #expect(code == 1 && used.count == 1 && used[0].remedy.contains("remove the tasks user"), "\(used)")
                #expect(try await host.dish("rm", "--force", "user").code == 0)
            }
            let (code, found) = try await findings(host, "--content")
            #expect(code == 0 && found.first?.problem.contains("another than its id says") == true, "\(found)")
            #expect(Files.exists("\(small.path)/damaged/layers/\(layer.id.hex)/rootfs/intruder"))
            #expect(try await host.dish("image", "show", "//tool:shell").code == 1)
            try await Registries.buildShell(host)
            #expect(try pool.resolve("//tool:shell").id == layer.id)
        }
    }
}
