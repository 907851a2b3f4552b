import AgentAPI
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// What tasks go through when something below them fails (docs/failures.md). None that can run on is lost.
@Suite(.requiresRoot)
struct FailureTests {
    private func kill(_ task: TaskStatus) throws {
        let leader = try #require(task.processes?.leader)
        Glibc.kill(pid_t(leader), SIGKILL)
    }

    @Test func onAReadOnlyPoolTasksRunOnAndOthersStartWhenItIsWritableAgain() async throws {
        try await SmallPool.use { pool in
            let host = pool.host
            try await host.withAgent { agent in
                let stays = try await pool.start("stays")
                let stops = try await pool.start("stops")
                let falls = try await pool.start("falls", "--restart", "on-failure:2", "--restart-backoff", "0.2")
                try pool.becomeReadOnly()
                let refused = try await pool.run("new")
                #expect(
                    refused.code == 1
                        && refused.errors.contains("no task can be started: the pool '\(pool.path)' is read-only"), "\(refused)")
                #expect(try await host.dish("inspect", "new").code == 1)
                try kill(falls)
                #expect(try await host.dish("stop", "-t", "0", "stops").code == 0)
                #expect(try await host.task("stops").exit != nil)
                // More often than its policy would allow: it isn't its failure.
                _ = try await host.wait(for: "falls") { $0.restarts ?? 0 > 3 && $0.state == .restarting }
                agent.kill()
                _ = try await host.startAgent()
                #expect(try await host.task("stays").processes == stays.processes)
                let ended = try await host.task("stops")
                #expect(ended.id == stops.id && ended.state == .exited)
                let kept = try await host.dish("rm", "stops")
                #expect(kept.code == 1 && kept.errors.contains("Read-only file system"), "\(kept)")
                try pool.becomeWritable()
                let again = try await host.wait(for: "falls") { $0.state == .running }
                #expect(again.processes != falls.processes)
                #expect(try await pool.run("new").code == 0)
                #expect(try await host.dish("rm", "stops").code == 0)
                #expect(try await host.task("stays").processes == stays.processes)
            }
        }
    }

    /// First no data fits any more, then no name either.
    @Test func aFullPoolStopsNoTaskAndSpaceComesBackByRemoving() async throws {
        try await SmallPool.use(size: "512M") { pool in
            let host = pool.host
            let workspace = try TestWorkspace()
            for version in ["one", "two"] {
                try workspace.write(
                    "spare/IMAGES.yaml", "images: [{name: spare, base: scratch, files: [{path: /x, text: \(version)}]}]")
                try #require(try await host.dish("image", "build", "//spare:spare", in: workspace.path).code == 0)
            }
            try await host.withAgent { _ in
                let stays = try await pool.start("stays")
                _ = try await pool.start("filler")
                let script = """
                    cat /dev/zero > /big
                    mkdir /small; cd /small
                    x=0123456789abcdef; x=$x$x$x$x$x$x$x$x$x$x$x$x
                    i=0; while true > $x$i && [ $i -lt 150000 ]; do i=$((i+1)); done
                    """
                let filled = try await host.dish("exec", "filler", "--", "/bin/sh", "-c", script)
                #expect(filled.errors.contains("No space left on device"), "\(filled)")
                #expect(try await host.task("stays").processes == stays.processes)
                let refused = try await pool.run("new")
                #expect(refused.code == 0 || refused.errors.contains("make room: dish image gc"), "\(refused)")
                _ = try await host.dish("rm", "--force", "new")
                // What goes has to go without room to do it in.
                let collected = try await host.dish("image", "gc", "--age", "0")
                #expect(collected.code == 0 && collected.output.hasPrefix("removed "), "\(collected)")
                let removed = try await host.dish("rm", "--force", "filler")
                #expect(removed.code == 0, "\(removed)\n\(host.agentLog)")
                var started = try await pool.run("new")
                // The kernel cleans what was removed a moment later.
                for _ in 0..<50 where started.code != 0 {
                    try await Task.sleep(for: .milliseconds(200))
                    started = try await pool.run("new")
                }
                #expect(started.code == 0, "\(started)")
                #expect(try await host.task("stays").processes == stays.processes)
                #expect(Inventory.directories(named: "rootfs", below: "\(pool.path)/staging") == [])
            }
        }
    }

    @Test func tasksOutliveThePoolsDeviceAndTheirEndsAreRecorded() async throws {
        try await SmallPool.use { pool in
            let host = pool.host
            try await host.withAgent { agent in
                let stays = try await pool.start("stays")
                _ = try await pool.start("stops")
                _ = try await Command("/bin/sync", []).run()
                try pool.setDevicePresent(false)
                let refused = try await pool.run("new")
                #expect(refused.code == 1, "\(refused)")
                #expect(try await host.dish("stop", "-t", "0", "stops").code == 0)
                #expect(try await host.task("stops").exit != nil)
                try await Task.sleep(for: .seconds(1))
                #expect(try await host.task("stays").processes == stays.processes)
                for process in [stays.processes?.helper, stays.processes?.leader] {
                    let pid = try #require(process)
                    #expect(Glibc.kill(pid_t(pid), 0) == 0)
                }
                #expect(try await host.dish("ps").code == 0)
                agent.kill()
                // With its device back it has to be mounted anew, which needs the tasks to end: the kernel trusts it no more.
                try pool.setDevicePresent(true)
                let killed = Inventory.processes(mentioning: "tasks/\(stays.id)/spec-")
                for process in killed { #expect(Glibc.kill(process.pid, SIGKILL) == 0) }
                for _ in 0..<100 where !Inventory.processes(mentioning: stays.id).isEmpty { usleep(20_000) }
                var mounted = true
                for _ in 0..<100 where mounted {
                    mounted = (try? Mounts.unmount(pool.path)) == nil
                    if mounted { usleep(50_000) }
                }
                #expect(!mounted)
                _ = try await host.startAgent()
                let left = try await host.task("stays")
                #expect(left.state == .failed, "\(left)\n\(host.agentLog)")
                #expect(try await host.task("stops").state == .exited)
                let started = try await host.dish("start", "stays")
                #expect(started.code == 0, "\(started)")
            }
        }
    }

    @Test func damagedFilesAreSetAsideAndWhatRunsRunsOn() async throws {
        try await SmallPool.use { pool in
            let host = pool.host
            try await host.withAgent { agent in
                let names = ["garbage", "empty", "cut", "said", "run", "lost", "whole", "record"]
                var before: [String: TaskStatus] = [:]
                for name in names { before[name] = try await pool.start(name) }
                #expect(try await host.dish("restart", "-t", "0", "run").code == 0)
                before["run"] = try await host.task("run")
                let job = "jobs: [{name: kept, image: //tool:shell, network: none, command: [/bin/sleep, '86399']}]\n"
                let applied = try await host.dish(arguments: ["job", "apply", "-"], input: job)
                try #require(applied.code == 0, "\(applied)")
                let replica = try await host.task("kept-1")
                agent.kill()

                func state(_ name: String) throws -> String { try #require(before[name]?.paths.state) }
                func damage(_ name: String, _ file: String, _ text: String) throws {
                    try Files.replace("\(try state(name))/\(file)", with: text.utf8, durable: false)
                }
                func inPool(_ name: String, _ file: String) throws -> String {
                    "\(pool.path)/tasks/\(try #require(before[name]).id)/\(file)"
                }
                try damage("garbage", "task.json", "\0\u{1}{]")
                try damage("empty", "task.json", "")
                let whole = try Files.readText("\(state("cut"))/task.json")
                try damage("cut", "task.json", String(whole.prefix(whole.count / 2)))
                try damage("said", "running", "phase=")
                try damage("run", "run.json", "{\"generation\": ")
                try damage("lost", "task.json", "{}")
                try Files.replace(inPool("lost", "intent.json"), with: "".utf8, durable: false)
                try Files.replace(inPool("record", "task.json"), with: "{".utf8, durable: false)
                try Files.replace("\(host.stateDirectory)/jobs/kept.json", with: "[]".utf8, durable: false)
                // A start that a power cut ended before anything had reached the disk.
                try Files.makeDirectories("\(host.stateDirectory)/tasks/0123456789ab")
                try Files.replace("\(host.stateDirectory)/tasks/0123456789ab/task.json", with: "".utf8, durable: false)

                var second = try await host.startAgent()
                for name in names where name != "lost" {
                    let task = try await host.task(name)
                    #expect(
                        task.state == .running && task.processes == before[name]?.processes, "\(name): \(task)\n\(host.agentLog)")
                }
                #expect(try await host.task("kept-1").processes == replica.processes)
                #expect(try await host.client.tasks().count == names.count)
                #expect(try await host.dish("job", "ls", "--json").text == "[\n\n]")
                let lost = try #require(before["lost"])
                let lostLeader = try #require(lost.processes?.leader)
                #expect(Glibc.kill(pid_t(lostLeader), 0) == 0)
                func id(_ name: String) -> String { before[name]?.id ?? "" }
                let aside = try Files.list("\(host.stateDirectory)/damaged")
                #expect(
                    Set(aside) == [
                        "\(id("garbage"))-task.json", "\(id("empty"))-task.json", "\(id("cut"))-task.json",
                        "\(id("run"))-run.json",
                        "job-kept.json",
                    ])
                for name in ["garbage", "empty", "cut", "lost"] {
                    #expect(host.agentLog.contains("/\(id(name))/task.json"), "\(name): \(host.agentLog)")
                }
                #expect(try await host.events("cut").contains { $0.what == "damaged" })
                #expect(try StateFile.read(TaskRecord.self, inPool("record", "task.json")).name == "record")
                #expect(try await host.dish("image", "gc").code == 0)
                #expect(!Files.exists("\(host.stateDirectory)/tasks/0123456789ab"))

                // All is as before for who uses them; the lost one can only be ended, and is kept for people to look at.
                for name in ["garbage", "said", "run"] {
                    #expect(try await host.dish("stop", "-t", "0", name).code == 0)
                    #expect(try await host.dish("start", name).code == 0)
                }
                Glibc.kill(pid_t(try #require(lost.processes?.helper)), SIGTERM)
                Glibc.kill(pid_t(try #require(lost.processes?.runtime)), SIGKILL)
                for _ in 0..<100 where !Inventory.processes(mentioning: "tasks/\(lost.id)/spec-").isEmpty { usleep(20_000) }
                second.kill()
                second = try await host.startAgent()
                #expect(Files.exists("\(host.stateDirectory)/damaged/\(lost.id)/task.json"))
                #expect(Files.exists("\(pool.path)/tasks/\(lost.id)/rootfs"))
                let again = try await host.dish(arguments: ["job", "apply", "-"], input: job)
                #expect(again.code == 0 && again.output.hasPrefix("kept: created, version 2"), "\(again)")
            }
        }
    }
}
