import AgentAPI
import ArgumentParser
import Layers
import Linux

struct DiffTask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show what a task has changed of its image: files added, changed, removed.",
        discussion: """
            A running task goes on. Volumes aren't looked into.

            Example:
              dish diff web
            """)

    @Argument(help: "The task's name or id.")
    var task: String
    @OptionGroup var json: JSONOption

    func run() async throws {
        try requireRoot(to: "compare a task with its image")
        let status = try await AgentClient.local(to: "compare a task with its image").task(task)
        let changes = try await blocking {
            let pool = try Pool(at: status.pool).holdingLayers()
            guard let record = try pool.allTasks().first(where: { $0.id == status.id }) else {
                throw PoolError(
                    .unknownImage, "the task '\(status.name)' has no root file system in the pool at '\(status.pool)'")
            }
            return try pool.changes(of: record)
        }
        if json.json { try printJSON(changes) } else { printFiles(changes) }
    }
}
