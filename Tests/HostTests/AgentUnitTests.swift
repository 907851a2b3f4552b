import AgentAPI
import Fixtures
import Testing

extension Machine {
    struct AgentUnitTests {
        /// What there is of tasks on the machine.
        private static let inventory = """
            systemctl list-units --all --plain --no-legend 'dish-*' | sed 's/^/unit /'
            find /sys/fs/cgroup/dish.slice -mindepth 1 -type d 2>/dev/null | sed 's/^/cgroup /'
            findmnt --raw --noheadings --output TARGET | grep -E '^(/pool/|/run/dish/netns/)' | sed 's/^/mount /'
            ls /run/dish/netns 2>/dev/null | sed 's/^/network namespace /'
            lsns --noheadings --output TYPE,NS | sed 's/^/namespace /'
            pgrep --list-full 'dish-helper|systemd-nspawn' | sed 's/^/process /'
            btrfs subvolume list /pool | sed 's/.*path/subvolume/'
            ls -d /pool/tasks/* /pool/staging/* /var/lib/dish/tasks/* /run/dish/tasks/* 2>/dev/null
            true
            """

        /// What has come since an earlier inventory. systemd and the kernel take a unit and a namespace away a moment after their
        /// last process, so this looks again for a while.
        private func left(on machine: TestMachine, since before: String) async throws -> [Substring] {
            var left: [Substring] = []
            for attempt in 0..<10 {
                if attempt > 0 { try await Task.sleep(for: .milliseconds(500)) }
                let now = try await machine.run(Self.inventory).text.split(separator: "\n")
                left = now.filter { !before.split(separator: "\n").contains($0) }
                if left.isEmpty { break }
            }
            return left
        }

        @Test func theAgentIsAUnitThatTellsWhenItIsReady() async throws {
            try await Machine.use { machine in
                let properties = try await machine.run("systemctl show --property Type,ActiveState,Result dishd")
                #expect(Set(properties.text.split(separator: "\n")) == ["Type=notify", "ActiveState=active", "Result=success"])
                // With Type=notify the agent answers as soon as systemctl returns.
                let answer = try await machine.run("systemctl restart dishd && dish ps")
                #expect(answer.code == 0, "\(answer)")
            }
        }

        @Test func whoAsksWhileThereIsNoAgentWaitsForTheNextOneOrHearsWhyThereIsNone() async throws {
            try await Machine.use { machine in
                let stopped = try await machine.run("systemctl stop dishd && dish ps && systemctl is-active dishd")
                #expect(stopped.code == 0, "\(stopped)")
                let killed = try await machine.run(
                    "for i in 1 2 3; do systemctl kill --signal KILL dishd; dish ps || exit 1; done")
                #expect(killed.code == 0, "\(killed)")
                let mode = try await machine.run("stat --format '%a %U' /run/dish/dishd.sock /run/dish")
                #expect(mode.text == "600 root\n700 root", "\(mode)")

                let refused = try await machine.run(
                    """
                    mkdir -p /run/systemd/system/dishd.service.d
                    printf '[Service]\\nEnvironment=DISH_POOL=/nowhere\\n' > /run/systemd/system/dishd.service.d/nowhere.conf
                    systemctl daemon-reload
                    systemctl kill --signal KILL dishd
                    timeout 60 dish ps
                    """)
                #expect(refused.code == 1 && refused.errors.contains("the agent is not up: "), "\(refused)")
                #expect(refused.errors.contains("/nowhere"), "\(refused)")
                let restored = try await machine.run(
                    "rm -r /run/systemd/system/dishd.service.d && systemctl daemon-reload && dish ps")
                #expect(restored.code == 0, "\(restored)")
            }
        }

        @Test func anAgentThatHangsIsReplacedAndItsTasksDoNotNotice() async throws {
            try await Machine.use { machine in
                #expect(try await machine.run("systemctl show --value --property WatchdogUSec dishd").text == "1min")
                let before = try await machine.startBystander().processes
                let hung = try await machine.run(
                    """
                    mkdir -p /run/systemd/system/dishd.service.d
                    printf '[Service]\\nWatchdogSec=4\\nRestartSec=0\\n' > /run/systemd/system/dishd.service.d/short.conf
                    systemctl daemon-reload && systemctl restart dishd
                    pid=$(systemctl show --value --property MainPID dishd)
                    sleep 6
                    test "$(systemctl show --value --property MainPID dishd)" = "$pid" || { echo 'it was ended while it was well'; exit 1; }
                    kill -STOP "$pid"
                    for i in $(seq 100); do
                        now=$(systemctl show --value --property MainPID dishd)
                        test "$now" != "$pid" && test "$now" != 0 && break
                        sleep 0.2
                    done
                    test "$now" != "$pid" && timeout 30 dish ps > /dev/null
                    """)
                #expect(hung.code == 0, "\(hung)")
                #expect(try await machine.inspect("bystander").processes == before)
                let restored = try await machine.run(
                    "rm -r /run/systemd/system/dishd.service.d && systemctl daemon-reload && systemctl restart dishd && dish rm --force bystander"
                )
                #expect(restored.code == 0, "\(restored)")
            }
        }

        @Test func nothingIsMissingOnTheHostButWhatItsKernelLacks() async throws {
            try await Machine.use { machine in
                let doctor = try await machine.run("dish host doctor")
                #expect(doctor.code == 0 && !doctor.text.contains("missing"), "\(doctor)")
                // Debian's user-mode-linux has an older kernel, without nftables, and this host fetches no packages.
                let warned = doctor.text.split(separator: "\n").filter { $0.hasPrefix("warning") }.map {
                    $0.split(separator: " ")[1]
                }
                #expect(Set(warned).isSubset(of: ["kernel", "nftables", "bridges", "IPv6", "zstd", "xz"]), "\(doctor)")
            }
        }

        @Test func aBootedTaskServesFromAUnitOfItsOwnWhateverHappensToTheAgent() async throws {
            try await Machine.use { machine in
                let before = try await machine.run(Self.inventory).text
                // This kernel has no nftables for IPv4, hence the host's network; root of a user namespace may have its port 80.
                let started = try await machine.run(
                    "sysctl --quiet net.ipv4.ip_unprivileged_port_start=0 && dish run //web:app --name web --network host")
                try #require(started.code == 0, "\(started)")
                let web = try await machine.inspect("web")
                #expect(web.state == .running)
                let processes = try #require(web.processes)

                let unit = try await machine.run("systemctl show --value --property MainPID dish-\(web.id).service")
                #expect(unit.text == "\(processes.helper)")
                let leader = try #require(processes.leader)
                let cgroup = try await machine.run("sed -n 's/^0:://p' /proc/\(leader)/cgroup").text
                #expect(cgroup.hasPrefix("/dish.slice/dish-\(web.id).service/task/"), "\(cgroup)")

                func expectServing(_ when: String) async throws {
                    let page = try await machine.run("curl --silent --show-error --max-time 10 http://127.0.0.1/")
                    #expect(page.output.contains("Served from a read-write snapshot"), "\(when): \(page)")
                }
                try await expectServing("before")
                let first = try await machine.agentPID()
                #expect(try await machine.run("systemctl restart dishd").code == 0)
                let second = try await machine.agentPID()
                #expect(second != first)
                #expect(try await machine.inspect("web").processes == processes)
                try await expectServing("after a restart of the agent")

                let again = try await machine.run(
                    "kill -9 \(second); while [ \"$(systemctl show --value --property MainPID dishd)\" = \(second) ]; do sleep 0.1; done; "
                        + "systemctl start dishd")
                #expect(again.code == 0, "\(again)")
                #expect(try await machine.inspect("web").processes == processes)
                try await expectServing("after the agent was killed")

                let stopped = try await machine.run("dish stop web")
                #expect(stopped.code == 0, "\(stopped)")
                #expect(try await machine.inspect("web").exit?.code == 0)
                // Its logs would stay for a while.
                #expect(try await machine.run("dish rm --purge web").code == 0)
                #expect(try await left(on: machine, since: before) == [])
            }
        }

        @Test func aTaskRemovedByForceLeavesNothing() async throws {
            try await Machine.use { machine in
                let before = try await machine.run(Self.inventory).text
                let task = try await machine.startBystander()
                let during = try await machine.run(Self.inventory).text
                #expect(during.contains("unit dish-\(task.id).service"), "\(during)")
                #expect(during.contains("cgroup \(machine.unitCgroup(task))/task/payload"), "\(during)")
                #expect(try await machine.run("dish rm --force bystander").code == 0)
                #expect(try await left(on: machine, since: before) == [])
            }
        }

        @Test func aTaskWhoseHelperIsKilledHasFailedAndLeavesNothing() async throws {
            try await Machine.use { machine in
                let before = try await machine.run(Self.inventory).text
                let task = try await machine.startBystander()
                let processes = try #require(task.processes)
                let leader = try #require(processes.leader)
                let killed = try await machine.run(
                    "kill -9 \(processes.helper); for i in $(seq 100); do dish inspect bystander | grep -q failed && break; sleep 0.1; done; "
                        + "test -e /proc/\(leader)")
                #expect(killed.code == 1, "the container outlived its helper: \(killed)")
                #expect(try await machine.inspect("bystander").state == .failed)
                #expect(try await machine.run("dish rm bystander").code == 0)
                #expect(try await left(on: machine, since: before) == [])
            }
        }

        @Test func afterAPowerCutTasksAreKnownToHaveEndedAndNewOnesRun() async throws {
            try await Machine.use { machine in
                let bystander = try await machine.startBystander()
                await machine.powerCut()
                try await machine.boot()
                #expect(try await machine.run("systemctl start dishd").code == 0)
                let task = try await machine.inspect("bystander")
                #expect(task.id == bystander.id)
                #expect(task.state == .failed)
                #expect(task.reason?.contains("restarted") == true, "\(task.reason ?? "no reason")")
                #expect(try await machine.run("dish rm bystander").code == 0)
                let run = try await machine.run("dish run --rm //web:app --network none -- /bin/cat /var/www/html/index.html")
                #expect(run.output.contains("Served from"), "\(run)")
            }
        }
    }
}
