import AgentAPI
import Glibc
import Layers
import Linux
import TaskHelper

/// Where the logs of a task are, whether it is there or was removed.
struct LogSource: Sendable {
    let name: String
    /// The directory of all its logs.
    let directory: String
    /// The socket of its helper; nil when it has ended.
    let helper: String?

    var console: String { "\(directory)/console.log" }
    var journal: String { "\(directory)/journal" }
    var hasJournal: Bool { Files.isDirectory(journal, followsLink: false) }

    init(_ name: String) async throws {
        let agent = try AgentClient.local(to: "read logs")
        do {
            let task = try await agent.task(name)
            self.name = task.name
            directory = Files.parent(of: task.paths.log)
            helper = task.state.hasEnded ? nil : task.paths.helper
        } catch let error as AgentError where error.code == .notFound {
            let pool = try Pool(at: await agent.status().pool)
            guard let task = try pool.removedTask(name) else {
                throw AgentError(.notFound, "\(error.message); those that were removed: dish logs --removed")
            }
            self.name = task.name
            directory = pool.logs(ofRemoved: task)
            helper = nil
        }
    }

    /// Calls a closure again and again until the task has ended, and once after that. Blocks.
    func whileItRuns(_ body: () throws -> Void) throws {
        guard let helper else { return try body() }
        let connection = try? HelperConnection(helper)
        var isAlive = connection != nil
        try connection?.send(.watch)
        while isAlive {
            var polled = [pollfd(fd: connection?.descriptor ?? -1, events: Int16(POLLIN), revents: 0)]
            if poll(&polled, 1, 100) > 0 {
                switch try connection?.receive() {
                case nil, .exited: isAlive = false
                default: break
                }
            }
            try body()
        }
    }
}
