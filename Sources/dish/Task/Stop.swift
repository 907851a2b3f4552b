import AgentAPI
import ArgumentParser

struct Stop: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", _superCommandName: "dish", abstract: "End tasks: a booted one shuts down, a command gets SIGTERM.")

    @Argument(help: "Names or ids.", completion: .task)
    var tasks: [String]
    @Option(name: .shortAndLong, help: "Seconds until what is left is killed.")
    var timeout: UInt32 = 30
    @OptionGroup var background: BackgroundOption

    func run() async throws {
        try await forEach(tasks) { name in
            let agent = try AgentClient.host
            if background.background {
                return print(try await agent.stopInBackground(name, timeout: timeout).id, to: .output)
            }
            print(try await agent.stop(name, timeout: timeout).name, to: .output)
        }
    }
}
