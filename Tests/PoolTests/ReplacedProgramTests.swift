import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// The agent's and the helper's programs change, or are gone, under running tasks.
@Suite(.requiresRoot)
struct ReplacedProgramTests {
    /// Puts a program where another is, as a package manager does.
    private func install(_ name: String, in directory: String) async throws {
        let copied = try await Command("/bin/cp", [Programs.path(name), "\(directory)/\(name).new"]).run()
        #expect(copied.status.isSuccess, "\(copied.errorText)")
        #expect(rename("\(directory)/\(name).new", "\(directory)/\(name)") == 0)
    }

    private func program(_ pid: Int?) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/\(pid ?? 0)/exe", &buffer, buffer.count - 1)
        return String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test func tasksRunOnWhileTheAgentAndTheHelperAreUpgradedAndMissing() async throws {
        let programs = try Scratch.make("programs")
        for name in ["dishd", "dish-helper"] { try await install(name, in: programs) }
        try await SmallPool.use { pool in
            let host = pool.host
            try await host.withAgent(programs: programs) { first in
                let old = try await pool.start("old")
                for name in ["dishd", "dish-helper"] { try await install(name, in: programs) }
                first.kill()
                let second = try await host.startAgent(programs: programs)
                #expect(try await host.task("old").processes == old.processes)
                #expect(program(old.processes?.helper) == "\(programs)/dish-helper (deleted)")
                let new = try await pool.start("new", "--restart", "on-failure:1", "--restart-backoff", "0.2")
                #expect(program(new.processes?.helper) == "\(programs)/dish-helper")
                // The new agent and the old helper understand each other.
                #expect(try await host.dish("restart", "-t", "0", "old").code == 0)
                let restarted = try await host.task("old")
                #expect(program(restarted.processes?.helper) == "\(programs)/dish-helper")

                #expect(chmod("\(programs)/dish-helper", 0o644) == 0)
                let denied = try await pool.run("none")
                #expect(
                    denied.code == 1 && denied.errors.contains("'\(programs)/dish-helper' can't be run: Permission denied"),
                    "\(denied)")
                #expect(unlink("\(programs)/dish-helper") == 0)
                second.kill()
                _ = try await host.startAgent(programs: programs)
                #expect(host.agentLog.contains("no task can be started: the program"))
                #expect(try await host.task("old").processes == restarted.processes)
                let missing = try await pool.run("none")
                #expect(missing.code == 1 && missing.errors.contains("can't be run: No such file or directory"), "\(missing)")
                Glibc.kill(pid_t(try #require(new.processes?.leader)), SIGKILL)
                _ = try await host.wait(for: "new") { $0.restarts ?? 0 > 2 && $0.state == .restarting }
                try await install("dish-helper", in: programs)
                _ = try await host.wait(for: "new") { $0.state == .running }
                #expect(try await pool.run("none").code == 0)
                #expect(try await host.task("old").processes == restarted.processes)
            }
        }
    }
}
