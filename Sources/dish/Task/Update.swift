import AgentAPI
import ArgumentParser
import Spec

struct Update: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the limits of tasks, of those that run at once.",
        discussion: """
            What isn't mentioned stays as it is; 'max' lifts a limit. A limit of memory below what a task uses is refused unless
            enough of it can be reclaimed: nothing is killed for it.

            Examples:
              dish update web --memory 1G --cpu 2
              dish update web db --pids max
              dish update web --disk 20G
            """)

    @Argument(help: "Names or ids.", completion: .task)
    var tasks: [String]
    @OptionGroup var limits: LimitOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        let change = try limits.change
        if change.limits == Limits(), change.lift.isEmpty {
            throw ValidationError("Say what to change, like --memory 1G; see: dish update --help")
        }
    }

    func run() async throws {
        try await forEach(tasks) { name in
            let task = try await AgentClient.host.update(name, try limits.change)
            for reason in task.notEnforced { print("dish: not enforced: \(reason)", to: .errors) }
            if json.json { try printJSON(task) } else { print(task.name, to: .output) }
        }
    }
}
