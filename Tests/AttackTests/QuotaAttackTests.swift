import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Attacks {
    /// What a task can take of the pool, whichever way it writes.
    @Suite struct QuotaAttackTests {
        /// Beyond `--disk`: what the logs may have, and what the file system needs for itself (docs/security.md, "Quotas").
        private static let margin: Int64 = (256 + 64) << 20

        /// What is used once all that was deleted is cleaned.
        private func used(_ pool: String) async throws -> Int64 {
            let filesystem = try Filesystem(at: pool)
            for _ in 0..<200 {
                try filesystem.sync()
                if try !filesystem.subvolumeRoots().contains(where: \.isDeleted) { break }
                try Files.replace("\(pool)/cache/touched", with: "\(UInt32.random(in: 0 ... .max))".utf8, durable: false)
                try filesystem.commit()
                try await Task.sleep(for: .milliseconds(20))
            }
            try filesystem.sync()
            let space = try filesystem.space()
            return Int64(space.dataUsed + space.metadataUsed)
        }

        @Test(arguments: [[], ["--no-user-namespace"]])
        func twoGigabytesOfWritesStayBelowTheLimitOfTheDisk(_ options: [String]) async throws {
            try await AttackScene.use { scene in
                let before = try await used(scene.pool)
                let run = try await scene.host.dish(
                    arguments: ["run", "--name", "writer", "--network", "none", "--disk", "200M"] + options
                        + [AttackImage.name, "--", AttackImage.program, "quota", "2048"])
                #expect(run.output.contains("total "), "\(run)\n\(scene.host.agentLog.suffix(2000))")
                let growth = try await used(scene.pool) - before
                print("\(run.text)\nthe pool grew by \(growth >> 20) MB")
                #expect(growth <= 200 << 20 + Self.margin, "the pool grew by \(growth >> 20) MB:\n\(run)")
                #expect(try await scene.host.dish("rm", "--force", "writer").code == 0)
            }
        }

        @Test func aBootedTasksLogsAreHeldToo() async throws {
            try await AttackScene.use { scene in
                let started = try await scene.host.dish(
                    "run", "--name", "writer", "--network", "none", "--disk", "200M", AttackImage.name)
                try #require(started.code == 0, "\(started)")
                let before = try await used(scene.pool)
                let run = try await scene.host.dish("exec", "writer", "--", AttackImage.program, "quota", "2048")
                #expect(run.output.contains("total "), "\(run)")
                let growth = try await used(scene.pool) - before
                print("\(run.text)\nthe pool grew by \(growth >> 20) MB")
                #expect(growth <= 200 << 20 + Self.margin, "the pool grew by \(growth >> 20) MB:\n\(run)")
                #expect(try await scene.host.dish("rm", "--force", "writer").code == 0)
            }
        }
    }
}
