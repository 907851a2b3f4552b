import AgentAPI
import ArgumentParser
import Spec

struct ListTasks: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps", _superCommandName: "dish", abstract: "List tasks, those that have ended too.")

    @Flag(help: "Only those that have not ended.")
    var running = false
    @OptionGroup var json: JSONOption

    func run() async throws {
        let all = try await AgentClient.host.tasks()
        let tasks = running ? all.filter { !$0.state.hasEnded } : all
        if json.json { return try printJSON(tasks) }
        printTable(
            ["NAME", "ID", "IMAGE", "STATE", "ADDRESS", "PORTS", "CREATED"],
            tasks.map { task in
                [
                    task.name, task.id, task.image, state(task), task.address ?? "-",
                    task.publish.isEmpty ? "-" : task.publish.map(\.description).joined(separator: " "), age(task.created),
                ]
            })
    }

    private func state(_ task: TaskStatus) -> String {
        guard let exit = task.exit, task.state.hasEnded else {
            guard task.state == .running, let health = task.health else { return task.state.rawValue }
            return health.live ? health.ready ? "running (ready)" : "running (not ready)" : "running (unhealthy)"
        }
        // Something inside may have been killed without the task's end being due to it.
        if exit.outOfMemory, exit.code != 0 { return "exited (out of memory)" }
        return exit.code.map { "exited (\($0))" } ?? "exited (signal \(exit.signal ?? 0))"
    }
}
