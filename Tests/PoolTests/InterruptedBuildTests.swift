import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

extension BuildEngine {
    @Suite struct InterruptedBuildTests {
        private func workspace(_ text: String) throws -> TestWorkspace {
            let workspace = try TestWorkspace()
            try workspace.write(
                "app/IMAGES.yaml",
                """
                images:
                  - name: app
                    parent: //os:base
                    files:
                      - path: /etc/made
                        text: \(text)
                    run:
                      - 'for i in 1 2 3 4 5 6; do head -c 2000000 /dev/zero > /var/made-$i; sleep 0.1; done'
                """)
            return workspace
        }

        @Test func aBuildKilledAtAnyMomentLeavesNothingThatTheNextOneMinds() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try await BuildEnginePool.shared.path()
            let workspace = try workspace("killed")
            for delay in [50, 150, 300, 500, 700, 900] {
                let pid = try host.start("image", "build", "//app:app", in: workspace.path)
                try await Task.sleep(for: .milliseconds(delay))
                kill(pid, SIGKILL)
                waitpid(pid, nil, 0)
                // The sandbox dies with the build.
                for _ in 0..<100 where !Inventory.processes(mentioning: "\(pool)/staging").isEmpty {
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(Inventory.processes(mentioning: "\(pool)/staging").map(\.command) == [])
            }
            let built = try await host.dish("image", "build", "//app:app", "--json", in: workspace.path)
            #expect(built.code == 0, "\(built)")
            #expect(try Files.list("\(pool)/staging") == [])
            let layer = try Pool(at: pool).resolve("//app:app")
            #expect(try TreeDigest(of: Pool(at: pool).root(of: layer.id)).id == layer.id)
            // And it is what an undisturbed build makes.
            let elsewhere = try await host.dish("image", "rm", "//app:app")
            #expect(elsewhere.code == 0)
            #expect(try await host.dish("image", "build", "//app:app", in: workspace.path).code == 0)
            #expect(try Pool(at: pool).resolve("//app:app").id == layer.id)
        }

        @Test func anInterruptedBuildCleansUpAfterItself() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try await BuildEnginePool.shared.path()
            let workspace = try workspace("interrupted")
            let pid = try host.start("image", "build", "//app:app", in: workspace.path)
            try await Task.sleep(for: .milliseconds(600))
            kill(pid, SIGINT)
            #expect(try ExitStatus.wait(for: pid) == .code(1))
            #expect(try Files.list("\(pool)/staging") == [])
            #expect(Inventory.processes(mentioning: "\(pool)/staging").map(\.command) == [])
        }

        @Test func aPoolThatIsFullDuringABuildSaysSoAndIsAsBefore() async throws {
            let shared = try await BuildEnginePool.shared.path()
            let host = try TestHost()
            let path = try Scratch.make("small") + "/pool"
            #expect(try await host.dish("pool", "create", path, "--size", "900M").code == 0)
            // Packages that are here already are not fetched again.
            let copied = try await Command("/bin/cp", ["--recursive", "--preserve", "\(shared)/cache", path]).run()
            try #require(copied.status.isSuccess, "\(copied.errorText)")
            let workspace = try TestWorkspace()
            try workspace.write(
                "app/IMAGES.yaml",
                "images:\n  - name: app\n    parent: //os:base\n    run: ['head -c 2G /dev/urandom > /var/too-much']\n")
            #expect(try await host.dish("image", "build", "//os:base", "--pool", path, in: workspace.path).code == 0)
            let full = try await host.dish("image", "build", "//app:app", "--pool", path, in: workspace.path)
            #expect(full.code == 1)
            #expect(full.errors.contains("the pool at '\(path)' is full"), "\(full)")
            #expect(try Files.list("\(path)/staging") == [])
            let layers = try Pool(at: path).allLayers()
            #expect(layers.map(\.label).sorted() == ["//os:base", "//os:base+packages"])
            for layer in layers { #expect(try TreeDigest(of: Pool(at: path).root(of: layer.id)).id == layer.id) }
            // With room again, it goes on.
            try workspace.write(
                "app/IMAGES.yaml", "images:\n  - name: app\n    parent: //os:base\n    run: [touch /var/enough]\n")
            var again = try await host.dish("image", "build", "//app:app", "--pool", path, in: workspace.path)
            // The kernel gives back what a deleted subvolume held some commits later.
            for _ in 0..<20 where again.code != 0 {
                try await Task.sleep(for: .seconds(1))
                again = try await host.dish("image", "build", "//app:app", "--pool", path, in: workspace.path)
            }
            #expect(again.code == 0, "\(again)")
            #expect(try await host.dish("pool", "destroy", path, "--yes").code == 0)
        }
    }
}
