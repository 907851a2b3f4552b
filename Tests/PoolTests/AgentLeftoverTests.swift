import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

/// What an agent that was killed left undone, the next one does (docs/failures.md).
@Suite(.requiresRoot)
struct AgentLeftoverTests {
    private struct Box {
        let host: TestHost
        let pool: String

        func start(_ name: String) async throws -> TaskStatus {
            let started = try await host.dish("run", "-d", "--name", name, "//:box", "--", "/bin/sleep", "86397")
            guard started.code == 0 else { throw FixtureError("start '\(name)': \(started)\n\(host.agentLog)") }
            return try await host.task(name)
        }

        /// Ends a task without any agent's or helper's doing.
        func end(_ task: TaskStatus) throws {
            for process in [task.processes?.helper, task.processes?.runtime, task.processes?.leader] {
                if let process { kill(pid_t(process), SIGKILL) }
            }
            for _ in 0..<500 where !Inventory.processes(mentioning: "tasks/\(task.id)/spec-").isEmpty { usleep(20_000) }
        }

        /// The things of a task that there are.
        func things(of task: TaskStatus) throws -> [String] {
            try Inventory(pool: pool, of: host).beyond(.none).filter { $0.contains(task.id) && !$0.hasPrefix("process") }
        }
    }

    private func withBox(_ body: (Box, TestAgent) async throws -> Void) async throws {
        try await BusyboxPool.with { pool in
            let box = Box(host: try TestHost(pool: pool.path), pool: pool.path)
            try await box.host.withAgent { try await body(box, $0) }
        }
    }

    private func wait(_ condition: () throws -> Bool) async throws {
        for _ in 0..<600 where !(try condition()) { try await Task.sleep(for: .milliseconds(100)) }
    }

    @Test func ofATaskThatNothingIsKnownOfOnlyItsFilesStay() async throws {
        try await withBox { box, agent in
            let (lost, kept) = (try await box.start("lost"), try await box.start("kept"))
            agent.kill()
            try box.end(lost)
            #expect(try box.things(of: lost).contains { $0.hasPrefix("network namespace") || $0.hasPrefix("cgroup") })
            try Files.replace("\(box.host.stateDirectory)/tasks/\(lost.id)/task.json", with: "{".utf8, durable: false)
            try Files.replace("\(box.pool)/tasks/\(lost.id)/intent.json", with: "".utf8, durable: false)
            // A pool that could not be written to has no copy of this one.
            unlink("\(box.pool)/tasks/\(kept.id)/intent.json")
            _ = try await box.host.startAgent()
            try await wait { Files.exists("\(box.pool)/tasks/\(kept.id)/intent.json") }
            #expect(Files.exists("\(box.pool)/tasks/\(kept.id)/intent.json"))
            #expect(try await box.host.task("kept").processes == kept.processes)
            let left = try box.things(of: lost).filter { !$0.contains("\(box.pool)/") && !$0.hasPrefix("subvolume") }
            #expect(left == [])
            #expect(Files.exists("\(box.pool)/tasks/\(lost.id)/rootfs"))
            let events = try await box.host.events(lost.id).map(\.what)
            #expect(events.contains("damaged") && !events.contains("removed"), "\(events)")
        }
    }

    /// What couldn't be taken away while the pool couldn't be written to.
    @Test func whatIsLeftOfATaskInThePoolGoesOnceThatCanBeWrittenTo() async throws {
        try await withBox { box, agent in
            let left = try await box.start("left")
            agent.kill()
            try box.end(left)
            let state = box.host.stateDirectory
            try Files.makeDirectories("\(state)/removed")
            rename("\(state)/tasks/\(left.id)", "\(state)/removed/\(left.id)")
            try Mounts.mount(box.pool, on: box.pool, flags: UInt(MS_BIND))
            try Mounts.mount("none", on: box.pool, flags: UInt(MS_REMOUNT | MS_BIND | MS_RDONLY))
            do {
                defer { try? Mounts.unmount(box.pool) }
                _ = try await box.host.startAgent()
            }
            #expect(try await box.host.client.tasks().isEmpty)
            #expect(try await box.host.events(left.id).last?.what == "removed")
            try await wait { !Files.exists("\(state)/removed/\(left.id)") }
            #expect(!Files.exists("\(state)/removed/\(left.id)") && !Files.exists("\(box.pool)/tasks/\(left.id)"))
        }
    }

    /// As an agent leaves them that is killed between a change and its event.
    @Test func eventsThatAreMissingAreRecordedOnce() async throws {
        try await withBox { box, first in
            var agent = first
            let log = "\(box.host.stateDirectory)/events/log"
            func replaceAgent(losing what: [String]) async throws {
                agent.kill()
                let lines = try Files.readText(log).split(separator: "\n")
                let kept = lines.prefix { line in !what.contains { line.contains($0) } }
                try Files.replace(log, with: (kept.joined(separator: "\n") + "\n").utf8, durable: false)
                agent = try await box.host.startAgent()
            }
            func count(_ kind: AgentEvent.Kind, _ what: String) async throws -> Int {
                try await box.host.events().count { $0.kind == kind && $0.what == what }
            }
            let job = "jobs: [{name: web, image: //:box, network: none, command: [/bin/sleep, '86397']}]\n"
            _ = try await box.start("t")
            #expect(try await box.host.dish("secret", "create", "key", "-", input: "x").code == 0)
            #expect(try await box.host.dish(arguments: ["job", "apply", "-"], input: job).code == 0)
            #expect(try await box.host.dish("host", "drain").code == 0)
            try await replaceAgent(losing: [#""kind":"task","name":"t""#, #""kind":"secret""#, #""kind":"job""#, "draining"])
            try await replaceAgent(losing: [])
            let made: [(AgentEvent.Kind, String)] = [
                (.task, "created"), (.secret, "kept"), (.job, "created"), (.host, "draining"),
            ]
            for (kind, what) in made where kind != .task { #expect(try await count(kind, what) == 1, "\(kind) \(what)") }
            #expect(try await box.host.events("t").count { $0.what == "created" } == 1)

            #expect(try await box.host.dish("rm", "--force", "t").code == 0)
            #expect(try await box.host.dish("secret", "rm", "key").code == 0)
            #expect(try await box.host.dish("job", "rm", "web").code == 0)
            #expect(try await box.host.dish("host", "undrain").code == 0)
            try await replaceAgent(losing: [#""what":"removed""#, "undrained"])
            try await replaceAgent(losing: [])
            for kind in [AgentEvent.Kind.secret, .job] { #expect(try await count(kind, "removed") == 1, "\(kind)") }
            #expect(try await box.host.events("t").count { $0.what == "removed" } == 1)
            #expect(try await count(.host, "undrained") == 1)
            let numbers = try await box.host.events().map(\.sequence)
            #expect(numbers == Array(1...UInt64(numbers.count)))
        }
    }
}
