import AgentAPI
import Fixtures
import FoundationEssentials
import Spec
import Testing

extension Machine {
    /// Tasks that take all they can get, side by side, and one that others shall not disturb.
    struct AttackTests {
        /// Does the same bit of work again and again and prints how long it took in the middle and at worst, in microseconds.
        private static let worker =
            "perl -MTime::HiRes=time,sleep -e '$|=1; while (1) { @t=(); for (1..40) { sleep 0.02; $s=time; $x=0; $x+=$_ for 1..20000; push @t, time-$s } @t=sort { $a<=>$b } @t; printf \"%d %d\\n\", $t[20]*1e6, $t[38]*1e6 }'"

        /// The attackers: how each is limited, and what it does.
        private static let attackers = [
            ("bomb", "--pids 64", "/bin/bash -c 'bomb() { bomb | bomb & }; bomb; exec sleep 1000'"),
            ("busy", "--class best-effort --cpu 0.5", "/bin/sh -c 'while :; do :; done'"),
            (
                "writer", "--class best-effort --io-write-bps 2M --memory 64M",
                "/bin/sh -c 'while :; do dd if=/dev/zero of=/var/tmp/file bs=1M count=20 conv=fsync status=none; done'"
            ),
            (
                "talker", "--class best-effort --cpu 0.2",
                "/bin/sh -c 'while :; do echo 0123456789012345678901234567890123456789; done'"
            ),
            ("hog", "--memory 50M", "/usr/bin/tail /dev/zero"),
        ]

        private func stats(_ machine: TestMachine) async throws -> HostUsage {
            let outcome = try await machine.run("dish stats --json")
            try #require(outcome.code == 0, "\(outcome)")
            return try JSONDecoder().decode(HostUsage.self, from: Data(outcome.output.utf8))
        }

        private func usage(_ name: String, in stats: HostUsage) throws -> TaskUsage {
            guard let found = stats.tasks.first(where: { $0.name == name }) else { throw FixtureError("\(name) doesn't run") }
            return found
        }

        /// The last line of the undisturbed task's, in microseconds.
        private func latency(_ machine: TestMachine) async throws -> [Int] {
            let line = try await machine.run("dish logs neighbour | tail -n 1").text
            return line.split(separator: " ").compactMap { Int($0) }
        }

        @Test func eachLimitHoldsUnderAttackAndANeighbourLives() async throws {
            try await Machine.use { machine in
                let agent = try await machine.agentPID()
                let started = try await machine.run(
                    "dish run -d //os:base --name neighbour --network none --class guaranteed --cpu 0.5 --memory 128M -- \(Self.worker)"
                )
                try #require(started.code == 0, "\(started)")
                let neighbour = try await machine.inspect("neighbour")
                #expect(neighbour.class == .guaranteed)
                try await Task.sleep(for: .seconds(3))
                let alone = try await latency(machine)
                for (name, limits, command) in Self.attackers {
                    let started = try await machine.run(
                        "dish run -d //os:base --name \(name) --network none \(limits) -- \(command)")
                    #expect(started.code == 0, "\(name): \(started)")
                }
                try await Task.sleep(for: .seconds(8))
                let attacked = try await latency(machine)
                // The kernel counts what is written in bursts of some seconds' worth: a rate is that from one to another.
                var second = try await stats(machine)
                var bursts = [try usage("writer", in: second)]
                for _ in 0..<30 where bursts.count < 5 {
                    try await Task.sleep(for: .milliseconds(500))
                    second = try await stats(machine)
                    let now = try usage("writer", in: second)
                    if now.io?.writtenBytes != bursts.last?.io?.writtenBytes { bursts.append(now) }
                }
                print("neighbour's work, alone: \(alone) µs, under attack: \(attacked) µs (middle, 95 of 100)")

                let bomb = try usage("bomb", in: second)
                #expect(try #require(bomb.pids).current <= 64 && bomb.pids?.refused ?? 0 > 0, "\(bomb)")
                let busy = try usage("busy", in: second)
                #expect(try #require(busy.cpu?.percent) < 65 && busy.cpu?.throttledPeriods ?? 0 > 0, "\(busy)")
                // When the first was counted isn't known.
                try #require(bursts.count > 2)
                let (before, after) = (bursts[1], bursts[bursts.count - 1])
                let seconds = Double(after.at - before.at) / 1000
                let written = try #require(after.io).writtenBytes - (before.io?.writtenBytes ?? 0)
                // Metadata is written by the file system, for nobody.
                #expect(Double(written) / seconds < 2.6 * 1024 * 1024, "\(written) bytes in \(seconds) s")
                #expect(try #require(after.memory).current <= 64 << 20)
                let log = try await machine.run(
                    "du -sb $(dirname $(dish inspect talker --json | sed -n 's/.*\"log\" : \"\\(.*\\)\".*/\\1/p')) | cut -f1")
                #expect(try #require(Int(log.text)) < 45 << 20, "\(log)")

                // While the host has no time for it, running out of memory takes its own.
                let ended = "for i in $(seq 60); do dish inspect hog | grep -q '\"state\" : \"exited' && break; sleep 1; done"
                _ = try await machine.run(ended)
                let hog = try await machine.inspect("hog")
                #expect(hog.exit?.outOfMemory == true, "\(hog)")
                let events = try await machine.run("dish events").output
                for part in ["bomb", "limit of 64 processes", "used all of its 0.5 CPUs"] {
                    #expect(events.contains(part), "\(part): \(events)")
                }

                // All that was not to be disturbed wasn't.
                #expect(try await machine.inspect("neighbour").processes == neighbour.processes)
                #expect(try await machine.agentPID() == agent)
                #expect(second.host.memory.reserved == 128 << 20 && second.host.cpu.reserved == 500)
                let agentScore = try await machine.run(
                    "cat /proc/\(agent)/oom_score_adj; systemctl show --value --property MemoryMin,ControlGroup dishd")
                #expect(
                    agentScore.text.hasPrefix("-900") && agentScore.text.contains("/system.slice/dishd.service"), "\(agentScore)")
            }
        }

        @Test func limitsAreTheKernelsAndCanBeChangedWhileATaskRuns() async throws {
            try await Machine.use { machine in
                let started = try await machine.run(
                    """
                    dish run -d //os:base --name web --network none --class guaranteed --cpu 0.5 --memory 200M --memory-high 150M \
                    --memory-low 100M --memory-swap 0 --pids 50 --io-read-bps 5M --io-write-iops 100 \
                    -- /bin/sh -c 'head -c 60M /dev/zero | tail; exec sleep 1000'
                    """)
                try #require(started.code == 0, "\(started)")
                let web = try await machine.inspect("web")
                let unit = machine.unitCgroup(web)
                func file(_ name: String) async throws -> String { try await machine.run("cat \(unit)/\(name)").text }
                #expect(try await file("task/memory.max") == "209715200")
                #expect(try await file("task/memory.high") == "157286400")
                #expect(try await file("task/memory.min") == "209715200")
                #expect(try await file("memory.min") == "209715200")
                #expect(try await machine.run("cat /sys/fs/cgroup/dish.slice/memory.min").text == "209715200")
                #expect(try await file("cpu.weight") == "5000")
                #expect(try await file("task/pids.max") == "50")
                #expect(try await file("task/io.max").hasSuffix("rbps=5242880 wbps=max riops=max wiops=100"))
                let leader = try #require(web.processes?.leader)
                #expect(try await machine.run("cat /proc/\(leader)/oom_score_adj").text == "-500")

                let changed = try await machine.run("dish update web --memory 300M --memory-high max --cpu 0.7 --io-read-bps max")
                #expect(changed.code == 0, "\(changed)")
                #expect(try await file("task/memory.max") == "314572800")
                #expect(try await file("task/memory.high") == "max")
                #expect(try await file("memory.min") == "314572800")
                #expect(try await file("cpu.weight") == "7000")
                #expect(try await file("task/cpu.max") == "70000 100000")
                #expect(try await file("task/io.max").hasSuffix("rbps=max wbps=max riops=max wiops=100"))
                // It is the intent's too.
                let again = try await machine.run("systemctl restart dishd && dish inspect web")
                #expect(again.output.contains("314572800"), "\(again)")
                #expect(try await machine.inspect("web").processes == web.processes)

                let refused = try await machine.run("dish update web --cpu 0.95")
                #expect(refused.code == 1 && refused.errors.contains("are free"), "\(refused)")
                let unordered = try await machine.run("dish update web --memory-low 400M")
                #expect(unordered.code == 1 && unordered.errors.contains("--memory-low"), "\(unordered)")
                let second = try await machine.run(
                    "dish run -d //os:base --name other --network none --class guaranteed --cpu 0.1 --memory 4G -- /bin/sleep 1000"
                )
                #expect(second.code == 1 && second.errors.contains("of memory set aside"), "\(second)")
                let weight = try await machine.run(
                    "dish run -d //os:base --name other --network none --io-weight 50 -- /bin/sleep 1000")
                #expect(weight.code == 1 && weight.errors.contains("BFQ"), "\(weight)")

                // Programs' own memory can't be reclaimed without swap: nothing is killed for a lower limit.
                let holder = try await machine.run(
                    "dish run -d //os:base --name holder --network none --memory 200M -- perl -e '$x = \"x\" x (50*1024*1024); sleep 1000' && sleep 2"
                )
                try #require(holder.code == 0, "\(holder)")
                let shrunk = try await machine.run("dish update holder --memory 40M")
                #expect(shrunk.code == 1 && shrunk.errors.contains("not enough of it could be reclaimed"), "\(shrunk)")
                #expect(try await machine.cgroup(machine.inspect("holder"), "memory.max") == "209715200")
                #expect(try await machine.cgroup(machine.inspect("holder"), "memory.high") == "max")
                let fits = try await machine.run("dish update holder --memory 150M")
                #expect(fits.code == 0, "\(fits)")
                #expect(try await machine.inspect("holder").state == .running)
                #expect(try await machine.run("dish host show").output.contains("SET ASIDE"))
            }
        }
    }
}
