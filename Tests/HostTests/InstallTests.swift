import AgentAPI
import Fixtures
import Linux
import Testing

extension Machine {
    struct InstallTests {
        /// Makes a package of the programs under test where the machine sees it, and returns the path that it has inside.
        private func package(version: String, for machine: TestMachine) async throws -> String {
            // Packed they would be smaller, in ten times the time.
            let made = try await Command(
                "/usr/bin/env",
                [
                    "VERSION=\(version)", "DPKG_DEB_COMPRESSOR_TYPE=none", "\(Programs.repository)/scripts/deb",
                    Programs.directory,
                    machine.sharedDirectory,
                ]
            ).run()
            try #require(made.status.isSuccess, "\(made.errorText)")
            return "/host/\(Files.name(of: String(made.text.split(separator: "\n").last ?? "")))"
        }

        /// The machine with a root that has never seen Butterdish; afterwards it is what it was.
        private func withFreshRoot(_ body: (TestMachine) async throws -> Void) async throws {
            try await Machine.use { machine in
                try await machine.shutDown()
                try await machine.boot(root: "fresh")
                func restore() async throws {
                    await machine.powerCut()
                    try await machine.boot()
                    let started = try await machine.run("systemctl start dishd")
                    #expect(started.code == 0, "\(started)")
                }
                do {
                    try await body(machine)
                } catch {
                    try await restore()
                    throw error
                }
                try await restore()
            }
        }

        /// Runs a script that must succeed.
        private func run(_ script: String, on machine: TestMachine) async throws -> String {
            let outcome = try await machine.run(script)
            try #require(outcome.code == 0, "\(script): \(outcome)")
            return outcome.output + outcome.errors
        }

        @Test func thePackageIsInstalledUpgradedRemovedAndInstalledAgainUnderATask() async throws {
            try await withFreshRoot { machine in
                let first = try await package(version: "1.0", for: machine)
                let second = try await package(version: "1.1", for: machine)

                // Whatever isn't linked statically finds Swift's libraries.
                let install = "dpkg --force-unsafe-io --install"
                let installed = try await run("ldconfig && \(install) \(first)", on: machine)
                #expect(installed.contains("dish pool create"), "\(installed)")
                let started = try await run(
                    """
                    set -e
                    systemctl is-enabled dishd
                    # It says so, and isn't tried again and again.
                    if dish ps 2>&1; then exit 1; fi
                    systemctl is-failed dishd
                    dish pool create /pool
                    systemctl start dishd
                    stat --format %G:%a /run/dish/dishd.sock
                    runuser --user nobody --group dish -- dish ps
                    if runuser --user nobody -- dish ps; then exit 1; fi
                    """, on: machine)
                #expect(
                    started.contains("enabled") && started.contains("no pool yet") && started.contains("dish:660"), "\(started)")

                let doctor = try await run("dish host doctor", on: machine)
                let warned = doctor.split(separator: "\n").filter { $0.hasPrefix("warning") }.map { $0.split(separator: " ")[1] }
                // What is the kernel's.
                #expect(
                    !doctor.contains("missing") && Set(warned).isSubset(of: ["kernel", "nftables", "bridges", "IPv6"]),
                    "\(doctor)")

                let task = try await machine.startBystander()
                let agent = try await machine.agentPID()
                let layers = try await run("ls /pool/layers", on: machine)
                _ = try await run("echo '# mine' >> /etc/default/dishd && \(install) \(second)", on: machine)
                #expect(try await machine.agentPID() != agent)
                #expect(try await machine.inspect("bystander").processes == task.processes)
                let kept = try await run("tail -n 1 /etc/default/dishd; dpkg-query -W -f '${Version}' butterdish", on: machine)
                #expect(kept == "# mine\n1.1")

                let removed = try await run("dpkg --remove butterdish", on: machine)
                #expect(removed.contains("tasks that run on without an agent: 1."), "\(removed)")
                let leader = try #require(task.processes?.leader)
                _ = try await run(
                    "! systemctl --quiet is-active dishd.socket dishd && test -d /proc/\(leader) && test -d /pool/tasks/\(task.id)/rootfs/usr",
                    on: machine)
                #expect(try await run("ls /pool/layers", on: machine) == layers)

                _ = try await run("\(install) \(second)", on: machine)
                #expect(try await machine.inspect("bystander").processes == task.processes)
                #expect(try await run("tail -n 1 /etc/default/dishd", on: machine) == "# mine\n")

                let purged = try await run("dish rm --force bystander && dpkg --purge butterdish", on: machine)
                #expect(purged.contains("pools stay"), "\(purged)")
                _ = try await run("! test -e /etc/default/dishd && test -e /var/lib/dish/pools.json", on: machine)
                #expect(try await run("ls /pool/layers", on: machine) == layers)
            }
        }
    }
}
