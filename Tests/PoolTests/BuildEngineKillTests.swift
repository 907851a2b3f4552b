import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// A build that is killed at any moment harms nothing.
extension BuildEngine {
    @Suite struct KillTests {
        /// How many moments: `DISH_KILLS` sets another number (docs/builder.md).
        private static let kills = getenv("DISH_KILLS").flatMap { Int(String(cString: $0)) } ?? 8

        /// Every fourth generation installs a package, which takes much longer than all else.
        ///
        /// - Parameter lock: the lock file of another one.
        private func workspace(_ folder: String, _ generation: Int, lock: String? = nil) throws -> TestWorkspace {
            let workspace = try TestWorkspace()
            if let lock { try workspace.write("IMAGES.lock", lock) }
            let packages = generation % 4 == 0 ? "[less]" : "[]"
            try workspace.write(
                "\(folder)/IMAGES.yaml",
                """
                images:
                  - name: org
                    parent: //os:base
                    files: [{path: /etc/generation, text: "\(generation)\\n"}]
                    run: ['head -c 3000000 /dev/zero > /srv/zeros; ln /srv/zeros /srv/again']
                  - name: first
                    parent: :org
                    packages: \(packages)
                    users: [{name: keeper, uid: 4000}]
                    run: ['for i in 1 2 3 4 5 6 7 8; do echo $i > /srv/$i; done', 'rm /srv/3']
                  - name: second
                    parent: :org
                    run: ['mv /srv/zeros /srv/moved; chmod 600 /srv/moved']
                """)
            return workspace
        }

        @Test func aBuildKilledAtRandomMomentsGivesTheSameIdsAndLeavesNothing() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let folder = "k" + String(UInt32.random(in: 0 ... .max), radix: 36)
            let labels = ["org", "first", "second"].map { "//\(folder):\($0)" }
            func build(_ workspace: TestWorkspace) async throws {
                let built = try await host.dish(
                    arguments: ["image", "build", "-j", "2"] + labels, in: workspace.path)
                #expect(built.code == 0, "\(built)")
            }
            // What an undisturbed build makes, and how long it takes.
            var undisturbed = try workspace(folder, 0)
            let planned = try await host.dish(arguments: ["image", "plan"] + labels, in: undisturbed.path)
            try #require(planned.code == 0, "\(planned)")
            let lock = try Files.readText("\(undisturbed.path)/IMAGES.lock")
            var lengths: [Duration] = []
            for generation in 0...1 {
                undisturbed = try workspace(folder, generation, lock: lock)
                let start = ContinuousClock.now
                try await build(undisturbed)
                lengths.append(ContinuousClock.now - start)
            }
            var generation = 1
            var left = Self.kills
            while left > 0 {
                generation += 1
                let workspace = try workspace(folder, generation, lock: lock)
                // Several kills of one build: each goes on where the last one ended.
                for _ in 0..<min(left, 5) {
                    left -= 1
                    let pid = try host.start("image", "build", "-j", "2", labels[0], labels[1], labels[2], in: workspace.path)
                    try await Task.sleep(for: lengths[min(1, generation % 4)] * Double.random(in: 0...0.7))
                    kill(pid, SIGKILL)
                    waitpid(pid, nil, 0)
                }
                for _ in 0..<200 where !Inventory.processes(mentioning: "\(pool.path)/staging").isEmpty {
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(Inventory.processes(mentioning: "\(pool.path)/staging").map(\.command) == [])
                try await build(workspace)
                #expect(try Files.list("\(pool.path)/staging") == [], "generation \(generation)")
                if let packages = try pool.resolve(labels[1]).packages {
                    #expect(try TreeDigest(of: pool.root(of: packages)).id == packages, "generation \(generation)")
                }
                for label in labels {
                    let layer = try pool.resolve(label)
                    #expect(try TreeDigest(of: pool.root(of: layer.id)).id == layer.id, "\(label), generation \(generation)")
                    #expect(TreeDigest(try pool.tree(of: layer.id)).id == layer.id)
                }
                undisturbed = workspace
            }
            // The last one again, from nothing and undisturbed.
            let made = try labels.map { try pool.resolve($0).id }
            for label in labels.reversed() { #expect(try await host.dish("image", "rm", label).code == 0) }
            try await build(undisturbed)
            #expect(try labels.map { try pool.resolve($0).id } == made)
        }
    }
}
