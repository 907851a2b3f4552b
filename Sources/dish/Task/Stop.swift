import AgentAPI
import ArgumentParser

struct Stop: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "End tasks: a booted one shuts down, a command gets SIGTERM.")

    @Argument(help: "Names or ids.", completion: .task)
    var tasks: [String]
    @Option(name: .shortAndLong, help: "Seconds until what is left is killed.")
    var timeout: UInt32 = 30
    @OptionGroup var background: BackgroundOption

    func run() async throws {
        if background.background {
            for name in tasks {
                print(try await AgentClient.host.stopInBackground(name, timeout: timeout).id, to: .output)
            }
            return
        }
        for name in tasks { print(try await AgentClient.host.stop(name, timeout: timeout).name, to: .output) }
    }
}
