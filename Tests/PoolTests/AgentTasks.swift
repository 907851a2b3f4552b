import AgentAPI
import Fixtures
import FoundationEssentials
import Linux

/// What the agent of a test's host says, asked by the command line's own client.
extension TestHost {
    var client: AgentClient { AgentClient(socket: AgentDefaults.socket(in: runtimeDirectory)) }

    func task(_ name: String) async throws -> TaskStatus { try await client.task(name) }

    /// Events about a task, or all.
    func events(_ name: String? = nil, after sequence: UInt64 = 0) async throws -> [AgentEvent] {
        let text = try await dish(arguments: ["events", "--json", "--since", "\(sequence)"] + (name.map { [$0] } ?? [])).output
        return try text.split(separator: "\n").map { try JSONDecoder().decode(AgentEvent.self, from: Data($0.utf8)) }
    }

    /// Waits until a task is as it should be; gives up after half a minute, which is for machines that do much else.
    func wait(for name: String, _ condition: (TaskStatus) throws -> Bool) async throws -> TaskStatus {
        for _ in 0..<600 {
            let task = try await task(name)
            if try condition(task) { return task }
            try await Task.sleep(for: .milliseconds(50))
        }
        let log = try await events(name).map { "\($0.what): \($0.reason)" }.joined(separator: "\n")
        throw FixtureError("the task never got there: \(try await task(name))\n\(log)\n\(agentLog)")
    }
}
