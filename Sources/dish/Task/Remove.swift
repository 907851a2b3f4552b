import AgentAPI
import ArgumentParser

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove tasks that have ended, with everything that is their own.")

    @Argument(help: "Names or ids.")
    var tasks: [String]
    @Flag(name: .shortAndLong, help: "Kill those that run; those that don't exist are no error.")
    var force = false

    func run() async throws {
        for name in tasks {
            do {
                try await AgentClient.host.remove(name, force: force)
                print(name, to: .output)
            } catch let error as AgentError where error.code == .notFound && force {}
        }
    }
}
