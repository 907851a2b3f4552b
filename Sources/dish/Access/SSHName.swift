import AgentAPI
import Glibc

/// What `ssh` calls a task: its name with `.dish` at the end.
enum SSHName {
    static let suffix = ".dish"

    /// The task that a host name means. `ssh` may have made its letters small.
    static func task(_ host: String) async throws -> TaskStatus {
        let name = host.hasSuffix(suffix) ? String(host.dropLast(suffix.utf8.count)) : host
        let agent = try AgentClient.local(to: "log in to a task")
        do {
            return try await agent.task(name)
        } catch let error as AgentError where error.code == .notFound {
            let similar = try await agent.tasks().filter { $0.name.lowercased() == name.lowercased() }
            guard similar.count == 1 else { throw error }
            return similar[0]
        }
    }
}
