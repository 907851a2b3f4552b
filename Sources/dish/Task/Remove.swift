import AgentAPI
import ArgumentParser

struct Remove: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", _superCommandName: "dish",
        abstract: "Remove tasks that have ended, with everything that is their own.",
        discussion: """
            'dish logs' still finds their logs for a time; --purge removes those too, also later.

            Examples:
              dish rm web
              dish rm --force --purge web
            """)

    @Argument(help: "Names or ids.", completion: .task)
    var tasks: [String]
    @Flag(name: .shortAndLong, help: "Kill those that run; those that don't exist are no error.")
    var force = false

    @Flag(help: "Remove their logs too, also of tasks that were removed before.")
    var purge = false

    func run() async throws {
        try await forEach(tasks) { name in
            do {
                try await AgentClient.host.remove(name, force: force, purge: purge)
                print(name, to: .output)
            } catch let error as AgentError where error.code == .notFound && force {}
        }
    }
}
