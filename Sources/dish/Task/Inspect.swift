import AgentAPI
import ArgumentParser
import Layers

struct Inspect: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", _superCommandName: "dish", abstract: "Show everything about a task, as JSON.")

    @Argument(help: "A task's name or id.", completion: .task)
    var task: String
    @Flag(help: .hidden)
    var json = false

    private struct Report: Encodable {
        let task: TaskStatus
        /// Bytes on disk that are the task's own; nil where this program may not look.
        let diskUsed: UInt64?
        /// What it uses; nil when it has ended.
        let usage: TaskUsage?

        private enum CodingKeys: CodingKey {
            case diskUsed, usage
        }

        func encode(to encoder: any Encoder) throws {
            try task.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encodeIfPresent(diskUsed, forKey: .diskUsed)
            try container.encodeIfPresent(usage, forKey: .usage)
        }
    }

    func run() async throws {
        let status = try await AgentClient.host.task(task)
        let used = try? Pool(at: status.pool).bill(ofTask: status.id)
        let usage = status.state.hasEnded ? nil : try? await AgentClient.host.usage(of: status.id)
        try printJSON(Report(task: status, diskUsed: used ?? nil, usage: usage))
    }
}
