import AgentAPI
import Fixtures
import Testing

extension Machine {
    struct LimitTests {
        @Test func aTaskThatOutgrowsItsMemoryIsKilledAndNothingElseIs() async throws {
            try await Machine.use { machine in
                let bystander = try await machine.startBystander()
                let agent = try await machine.agentPID()
                // tail(1) keeps all it has read until there is a line's end.
                let run = try await machine.run(
                    "dish run //os:base --name hog --network none --memory 50M -- /usr/bin/tail /dev/zero")
                #expect(run.code == 137, "\(run)")
                let exit = try #require(try await machine.inspect("hog").exit)
                #expect(exit.outOfMemory)
                #expect(try await machine.run("dish ps").output.contains("exited (out of memory)"))
                #expect(try await machine.inspect("bystander").processes == bystander.processes)
                #expect(try await machine.agentPID() == agent)
            }
        }

        @Test func aBootedTaskThatOutgrowsItsMemoryDiesWholeAndSaysSo() async throws {
            try await Machine.use { machine in
                let bystander = try await machine.startBystander()
                let started = try await machine.run("dish run //os:base --name booted --network none --memory 100M")
                try #require(started.code == 0, "\(started)")
                let task = try await machine.inspect("booted")
                #expect(try await machine.cgroup(task, "memory.max") == "104857600")
                #expect(try await machine.run("dish exec booted -- systemctl is-system-running --wait").text == "running")
                #expect(try await machine.run("dish exec booted -- tail /dev/zero").code == 137)
                // The helper hears of it, writes it down and tells the agent.
                let ended = try await machine.run(
                    "for i in $(seq 100); do dish inspect booted | grep -q exited && break; sleep 0.1; done; dish ps")
                #expect(ended.output.contains("exited (out of memory)"), "\(ended)")
                #expect(try await machine.inspect("booted").exit?.outOfMemory == true)
                #expect(try await machine.inspect("bystander").processes == bystander.processes)
            }
        }

        @Test func aStepOfABuildThatOutgrowsItsMemoryIsKilledWhole() async throws {
            try await Machine.use { machine in
                let bystander = try await machine.startBystander()
                let built = try await machine.run(
                    """
                    mkdir -p /root/workspace/hog && cd /root/workspace
                    cat > hog/IMAGES.yaml <<'END'
                    images:
                      - name: hog
                        parent: //os:base
                        run: ['tail /dev/zero; echo went on']
                    END
                    dish image build //hog:hog --verbose --step-memory 60M
                    """)
                #expect(built.code == 1, "\(built)")
                #expect(built.errors.contains("the step reached its limit of memory, 60 MiB"), "\(built)")
                // All of it, the script too.
                #expect(!built.errors.contains("went on"), "\(built)")
                #expect(try await machine.run("ls -d /sys/fs/cgroup/dish-build/*/").code != 0)
                #expect(try await machine.inspect("bystander").processes == bystander.processes)
            }
        }

        @Test func halfAProcessorIsHalfAProcessor() async throws {
            try await Machine.use { machine in
                let started = try await machine.run(
                    "dish run -d //os:base --name busy --network none --cpu 0.5 -- /bin/sh -c 'while :; do :; done'")
                try #require(started.code == 0, "\(started)")
                let cgroup = "\(machine.unitCgroup(try await machine.inspect("busy")))/task"
                // Both clocks are read inside, where the limit is kept.
                let read = "sed -n 's/usage_usec //p' \(cgroup)/cpu.stat; cut -d' ' -f1 /proc/uptime"
                let outcome = try await machine.run("\(read); sleep 4; \(read)")
                let values = outcome.text.split(separator: "\n").compactMap { Double($0) }
                try #require(values.count == 4, "\(outcome)")
                let share = (values[2] - values[0]) / 1_000_000 / (values[3] - values[1])
                #expect((0.3...0.65).contains(share), "it had \(share) of a processor")
                #expect(try #require(number("nr_throttled", in: await machine.cgroup(machine.inspect("busy"), "cpu.stat"))) > 0)
            }
        }

        @Test func aForkBombStopsAtItsLimitAndTheHostGoesOn() async throws {
            try await Machine.use { machine in
                let bystander = try await machine.startBystander()
                let started = try await machine.run(
                    "dish run -d //os:base --name bomb --network none --pids 64 -- /bin/bash -c 'bomb() { bomb | bomb & }; bomb; exec sleep 1000'"
                )
                try #require(started.code == 0, "\(started)")
                let bomb = try await machine.inspect("bomb")
                let samples = try await machine.run(
                    "for i in $(seq 20); do cat \(machine.unitCgroup(bomb))/task/pids.current; sleep 0.1; done")
                let counts = samples.text.split(separator: "\n").compactMap { Int($0) }
                #expect(counts.count == 20 && counts.allSatisfy { $0 <= 64 }, "\(samples)")
                // Before Linux 6.11 a refusal is counted in the group of the process that forks, not in the one with the limit.
                let events = try await machine.run("find \(machine.unitCgroup(bomb))/task -name pids.events -exec cat {} +").text
                let refused = events.split(separator: "\n").compactMap { number("max", in: String($0)) }.reduce(0, +)
                #expect(refused > 0, "\(events)")
                #expect(try await machine.run("dish exec bystander -- echo here").text == "here")
                #expect(try await machine.inspect("bystander").processes == bystander.processes)
                let inspected = try await machine.inspect("bomb")
                #expect(inspected.state == .running && inspected.processes == bomb.processes)
            }
        }

        @Test func aDiskLimitIsRefusedWhereThePoolCannotKeepIt() async throws {
            try await Machine.use { machine in
                let refused = try await machine.run("dish run //os:base --name fat --network none --disk 50M -- /bin/true")
                #expect(refused.code == 1)
                #expect(refused.errors.contains("disk needs simple quotas"), "\(refused)")
                #expect(try await machine.run("dish inspect fat").code == 1)
                let run = try await machine.run(
                    "dish run --rm //os:base --network none --disk 50M --best-effort -- /bin/echo ran")
                #expect(run.code == 0 && run.text == "ran", "\(run)")
            }
        }
    }
}
