import AgentAPI
import Fixtures
import Glibc
import Linux
import Testing

extension Machine {
    /// The program of Tests/AttackTests as root inside tasks, where cgroup v2 holds devices, processes and memory, and systemd is process 1.
    struct InsideAttackTests {
        private static let program = "/usr/local/bin/attack"

        /// What the machine has and no task may change.
        private static let state =
            "cat /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname /root/canary/canary; ls /root/canary; "
            + "grep -c dish-attack /proc/mounts; ls /dev | grep -c attack; ls /sys/class/net | grep -c attack; systemctl is-system-running"

        /// What needs a network, a loop device or the groups of another task, which Tests/AttackTests have; and what would end the task.
        private static let untried: Set = [
            "device/mount_the_pool", "network/abstract_socket_of_the_host", "network/free_bind", "network/free_bind_6",
            "network/loopback_by_the_gateway", "network/own_address", "network/own_address_6",
            "network/service_on_the_hosts_loopback", "network/transparent", "network/transparent_6",
            "pool/destroy_anothers_subvolume", "pool/snapshot_in_anothers_group", "pool/subvolume_in_anothers_group",
            "pool/subvolume_with_a_copied_limit", "share/instances_of_inotify", "share/memory_beyond_the_limit",
        ]

        private func expectHeld(_ outcome: Outcome, _ place: String) {
            let report = AttackReport(outcome.output)
            print("\(place): \(report.summary)")
            for line in report.succeeded { Issue.record("\(place): an attack succeeded: \(line)") }
            for line in report.skipped(but: Self.untried) { Issue.record("\(place): an attack wasn't tried: \(line)") }
            for line in report.broken { Issue.record("\(place): an attack is broken: \(line)") }
            #expect(report.isComplete && report.tried >= 80, "\(place): \(report.summary)\n\(outcome)")
        }

        @Test func rootInsideReachesNothingOfTheMachine() async throws {
            let attack = try await AttackProgram.shared.build()
            try await Machine.use { machine in
                let copied = try await Command("/bin/cp", [attack, "\(machine.sharedDirectory)/attack"]).run()
                try #require(copied.status.isSuccess, "\(copied.errorText)")
                let prepared = try await machine.run("mkdir -p /root/canary; printf untouched > /root/canary/canary")
                try #require(prepared.code == 0, "\(prepared)")
                let (agent, bystander) = (try await machine.agentPID(), try await machine.startBystander())
                let before = try await machine.run(Self.state)
                let facts =
                    "canary=/root/canary/canary token=untouched secret=DISH_ATTACK_SECRET pid=\(agent) agent=/run/dish/dishd.sock pids=200"

                for (name, options) in [
                    ("command", ""), ("confined", "--security confined"), ("host-ids", "--no-user-namespace"),
                ] {
                    let started = try await machine.run(
                        "dish run -d --name \(name) --network none --pids 200 --memory 256M \(options) //os:base -- /bin/sleep 1000 && "
                            + "dish cp /host/attack \(name):\(Self.program)")
                    try #require(started.code == 0, "\(started)")
                    let run = try await machine.run(
                        "DISH_ATTACK_SECRET=told dish exec \(name) -- \(Self.program) \(facts)", seconds: 300)
                    expectHeld(run, "exec into a task '\(name)' on cgroup v2")
                    #expect(try await machine.inspect(name).state == .running)
                }
                let booted = try await machine.run(
                    "dish run --name booted --network none --pids 200 //os:base && dish cp /host/attack booted:\(Self.program)")
                try #require(booted.code == 0, "\(booted)")
                let unit = try await machine.run(
                    "dish exec booted -- systemd-run --quiet --wait --collect /bin/sh -c '\(Self.program) \(facts) > /srv/report 2>&1'; "
                        + "dish exec booted -- cat /srv/report", seconds: 300)
                expectHeld(unit, "a unit of a booted task on cgroup v2")

                let after = try await machine.run(Self.state)
                #expect(after.output == before.output, "\(after)")
                #expect(try await machine.agentPID() == agent)
                #expect(try await machine.inspect("bystander").processes == bystander.processes)
            }
        }
    }
}
