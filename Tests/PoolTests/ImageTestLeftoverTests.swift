import Fixtures
import Foundation
import Glibc
import Layers
import Linux
import Testing

extension BuildEngine {
    /// Tests that don't come to their end leave nothing.
    @Suite struct ImageTestLeftoverTests {
        private let folder = "t" + String(UInt32.random(in: 0 ... .max), radix: 36)

        /// Tests that run until they are ended, in a sandbox and booted.
        private func workspace() throws -> TestWorkspace {
            let workspace = try TestWorkspace()
            try workspace.write(
                "\(folder)/IMAGES.yaml",
                """
                images:
                  - name: app
                    parent: //os:base
                    files: [{path: /etc/\(folder), text: x}]
                    tests:
                      - {name: sandbox, commands: [{script: "echo begun; sleep 987", timeout: 1h}]}
                      - {name: booted, boot: {}, commands: [{script: "echo begun; sleep 987", timeout: 1h}]}
                      - {name: passes, commands: ["true"]}
                """)
            return workspace
        }

        /// Starts the tests and waits until both that don't end sleep.
        private func start(_ workspace: TestWorkspace, _ host: TestHost) async throws -> pid_t {
            let pid = try host.start("image", "test", "//\(folder):app", "-j", "3", "--rerun", in: workspace.path)
            for _ in 0..<1200 where sleepers.count < 2 { try await Task.sleep(for: .milliseconds(50)) }
            #expect(sleepers.count == 2)
            return pid
        }

        private var sleepers: [Inventory.Process] {
            Inventory.processes(mentioning: "sleep 987").filter { $0.command == "sleep 987 " }
        }

        private func waitForEnd() async throws {
            for _ in 0..<400 where !sleepers.isEmpty { try await Task.sleep(for: .milliseconds(25)) }
            #expect(sleepers.map(\.command) == [])
        }

        @Test(arguments: [SIGINT, SIGTERM]) func anInterruptedRunEndsEverythingItself(_ signal: CInt) async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try workspace()
            #expect(try await host.dish("image", "build", "//\(folder):app", in: workspace.path).code == 0)
            let before = try Inventory(pool: #require(host.pool), of: host)
            let pid = try await start(workspace, host)
            #expect(try Inventory(pool: #require(host.pool), of: host).beyond(before).contains { $0.hasPrefix("subvolume") })
            kill(pid, signal)
            let status = try await blocking { try ExitStatus.wait(for: pid) }
            #expect(status == .code(1))
            try await waitForEnd()
            #expect(try Inventory(pool: #require(host.pool), of: host).beyond(before) == [])
        }

        @Test func whatAKilledRunLeavesTheNextOneRemoves() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try workspace()
            #expect(try await host.dish("image", "build", "//\(folder):app", in: workspace.path).code == 0)
            let before = try Inventory(pool: #require(host.pool), of: host)
            for _ in 0..<2 {
                let pid = try await start(workspace, host)
                kill(pid, SIGKILL)
                waitpid(pid, nil, 0)
                // Nothing outlives it.
                try await waitForEnd()
            }
            let next = try await host.dish("image", "test", "//\(folder):app", "--filter", "passes", in: workspace.path)
            #expect(next.code == 0, "\(next)")
            #expect(try Inventory(pool: #require(host.pool), of: host).beyond(before) == [])
        }

        @Test func aRunLeavesThoseOfOthersAlone() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try workspace()
            #expect(try await host.dish("image", "build", "//\(folder):app", in: workspace.path).code == 0)
            let pid = try await start(workspace, host)
            let other = try await host.dish(
                "image", "test", "//\(folder):app", "--filter", "passes", "--rerun", in: workspace.path)
            #expect(other.code == 0, "\(other)")
            #expect(sleepers.count == 2)
            kill(pid, SIGINT)
            _ = try await blocking { try ExitStatus.wait(for: pid) }
            try await waitForEnd()
        }
    }
}
