import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension BuildEngine {
    /// What a person at a terminal sees.
    @Suite struct TerminalTests {
        private let folder = "w" + String(UInt32.random(in: 0 ... .max), radix: 36)

        private func write(_ workspace: TestWorkspace, _ script: String) throws {
            try workspace.write(
                "\(folder)/IMAGES.yaml", "images:\n  - name: app\n    parent: //os:base\n    run: ['\(script)']\n")
        }

        @Test func aTerminalShowsWhatRunsAndKeepsOnlyWhatHappened() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try write(workspace, "sleep 0.5; echo made > /srv/made")
            var other: CInt = -1
            let master = OwnedFD(adopting: dish_open_terminal(&other))
            let terminal = OwnedFD(adopting: other)
            dish_set_window_size(master.number, 24, 60)
            let pid = try host.start(["image", "build", "//\(folder):app"], on: terminal.number, in: workspace.path)
            let status = try await blocking { try ExitStatus.wait(for: pid) }
            #expect(status == .code(0))
            _ = consume terminal
            // What a closed terminal has left to read ends with an error.
            var shown: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65536)
            while case let count = read(master.number, &chunk, chunk.count), count > 0 { shown += chunk[..<count] }
            let text = String(decoding: shown, as: UTF8.self)
            #expect(text.contains("1 of 2 images"), "\(text)")
            #expect(text.contains("  //\(folder):app: run step 1 of 1, 0."), "\(text)")
            // The region is taken away before the end.
            #expect(text.hasSuffix("\u{1B}[J"), "\(text)")
            #expect(text.contains("//\(folder):app: built layer "), "\(text)")
        }

        @Test func watchBuildsAgainOnAChangeUntilItIsInterrupted() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try Pool(at: await BuildEnginePool.shared.path())
            let workspace = try TestWorkspace()
            try write(workspace, "echo one > /srv/made")
            let pid = try host.start("image", "build", "//\(folder):app", "--watch", in: workspace.path)
            func wait(for text: String) async throws -> Bool {
                for _ in 0..<400 {
                    if let layer = try? pool.resolve("//\(folder):app"),
                        try Files.readTextIfPresent("\(pool.root(of: layer.id))/srv/made") == text
                    {
                        return true
                    }
                    try await Task.sleep(for: .milliseconds(25))
                }
                return false
            }
            #expect(try await wait(for: "one\n"))
            // A mistake doesn't end it.
            try workspace.write("\(folder)/IMAGES.yaml", "images: 7\n")
            try await Task.sleep(for: .milliseconds(500))
            try write(workspace, "echo two > /srv/made")
            #expect(try await wait(for: "two\n"))
            try await Task.sleep(for: .milliseconds(500))
            kill(pid, SIGINT)
            let status = try await blocking { try ExitStatus.wait(for: pid) }
            #expect(status == .code(0))
            #expect(try Files.list("\(pool.path)/staging") == [])
        }
    }
}
