import AgentAPI
import Fixtures
import FoundationEssentials
import Testing

/// Tests on a host whose process 1 is systemd. It has one processor and one agent, so they run one after the other.
@Suite(.serialized, .requiresRoot, .requiresUserModeLinux)
enum Machine {
    /// Runs a body on the machine; afterwards no task is left there, whatever happened.
    static func use(_ body: (TestMachine) async throws -> Void) async throws {
        let machine = try await SharedMachine.shared.machine()
        let removal =
            "for task in $(dish ps --json | sed -n 's/.*\"name\" : \"\\(.*\\)\".*/\\1/p'); do dish rm --force $task; done"
        do {
            try await body(machine)
        } catch {
            _ = try? await machine.run(removal)
            throw error
        }
        let removed = try await machine.run(removal)
        #expect(removed.code == 0, "\(removed)")
    }
}

extension TestMachine {
    func inspect(_ task: String) async throws -> TaskStatus {
        let outcome = try await run("dish inspect \(task)")
        try #require(outcome.code == 0, "\(outcome)")
        return try JSONDecoder().decode(TaskStatus.self, from: Data(outcome.output.utf8))
    }

    /// A file of the control group that has a task's limits.
    func cgroup(_ task: TaskStatus, _ file: String) async throws -> String {
        try await run("cat \(unitCgroup(task))/task/\(file)").text
    }

    nonisolated func unitCgroup(_ task: TaskStatus) -> String { "/sys/fs/cgroup/dish.slice/dish-\(task.id).service" }

    /// Starts a task that sleeps: one that others shall not disturb.
    func startBystander() async throws -> TaskStatus {
        let started = try await run("dish run -d //os:base --name bystander --network none -- /bin/sleep 1000")
        try #require(started.code == 0, "\(started)")
        return try await inspect("bystander")
    }

    /// The agent's process, as systemd knows it.
    func agentPID() async throws -> String { try await run("systemctl show --value --property MainPID dishd").text }
}

/// The number in a line `KEY NUMBER` of a control group's file.
func number(_ key: String, in text: String) -> UInt64? {
    text.split(separator: "\n").first { $0.hasPrefix("\(key) ") }.flatMap { UInt64($0.dropFirst(key.utf8.count + 1)) }
}
