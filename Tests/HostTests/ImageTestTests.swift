import Fixtures
import Testing

extension Machine {
    /// `dish image test` where systemd is process 1.
    struct ImageTestTests {
        private static let test = "cd /root/workspace && dish image test --locked --rerun"
        /// What there is of tests on the machine: units, processes, staging.
        private static let left = """
            systemctl list-units --all --plain --no-legend 'dish-test-*'
            pgrep --list-full systemd-nspawn
            ls /pool/staging
            true
            """

        /// systemd takes a scope away a moment after its last process.
        private func waitForNothing(on machine: TestMachine, _ script: String) async throws {
            var text = ""
            for _ in 0..<40 {
                text = try await machine.run(script).text
                if text.isEmpty { return }
                try await Task.sleep(for: .milliseconds(250))
            }
            Issue.record("left: \(text)")
        }

        @Test func theExamplesTestsPassOnAHostWithSystemdAndLeaveNothing() async throws {
            try await Machine.use { machine in
                let tested = try await machine.run("\(Self.test) //os:base //org:base //web:app", seconds: 400)
                #expect(tested.code == 0, "\(tested)")
                #expect(tested.errors.contains("//web:app serves: passed in "), "\(tested)")
                #expect(!tested.errors.contains(": build"), "\(tested)")
                try await waitForNothing(on: machine, Self.left)
            }
        }

        @Test func aBootRunsInAScopeOfItsOwnThatEndsWithTheProgram() async throws {
            try await Machine.use { machine in
                let started = try await machine.run(
                    """
                    (\(Self.test) //web:app --filter serves </dev/null >/dev/null 2>&1 & echo $! >/run/test.pid)
                    for i in $(seq 400); do
                        systemctl list-units --plain --no-legend 'dish-test-*.scope' | grep running && break
                        sleep 0.1
                    done
                    """)
                #expect(started.text.contains("dish-test-") && started.text.contains("A test of an image"), "\(started)")
                #expect(try await machine.run("kill -9 $(cat /run/test.pid)").code == 0)
                try await waitForNothing(
                    on: machine, "systemctl list-units --all --plain --no-legend 'dish-test-*'; pgrep systemd-nspawn")
                // The copy goes with the next run.
                let next = try await machine.run("\(Self.test) //web:app --filter page")
                #expect(next.code == 0, "\(next)")
                try await waitForNothing(on: machine, Self.left)
            }
        }
    }
}
