import AgentAPI
import ArgumentParser

struct Start: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", _superCommandName: "dish",
        abstract: "Start tasks again that have ended, on the root file systems that they left.",
        discussion: """
            Its name, id, address and ports are the ones it had. One that runs already is no error.

            Example:
              dish start web
            """)

    @Argument(help: "Names or ids.", completion: .task)
    var tasks: [String]
    @Option(help: "Seconds that booting may take.")
    var bootTimeout = 90

    func run() async throws {
        try await forEach(tasks) { name in
            let agent = try AgentClient.host
            print(try await agent.upAgain(try await agent.startAgain(name), seconds: bootTimeout).name, to: .output)
        }
    }
}

struct Restart: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart", abstract: "Stop tasks and start them again, on the same root file systems.",
        discussion: """
            Example:
              dish restart web --timeout 60
            """)

    @Argument(help: "Names or ids.", completion: .task)
    var tasks: [String]
    @Option(name: .shortAndLong, help: "Seconds until what is left is killed.")
    var timeout: UInt32 = 30
    @Option(help: "Seconds that booting may take.")
    var bootTimeout = 90
    @OptionGroup var background: BackgroundOption

    func run() async throws {
        try await forEach(tasks) { name in
            let agent = try AgentClient.host
            if background.background {
                return print(try await agent.restartInBackground(name, timeout: timeout).id, to: .output)
            }
            let task = try await agent.restart(name, timeout: timeout)
            print(try await agent.upAgain(task, seconds: bootTimeout).name, to: .output)
        }
    }
}

extension AgentClient {
    /// Returns once a task that was started again is up, or its command has done its work.
    func upAgain(_ started: TaskStatus, seconds: Int) async throws -> TaskStatus {
        let task = try await wait(started.id, for: .running, seconds: seconds)
        guard task.state == .running || started.command != nil && task.state == .exited else {
            let why = task.reason ?? "it is \(task.state.rawValue)\(task.state.hasEnded ? "" : " after \(seconds) s")"
            throw AgentError(.failed, "the task '\(task.name)' did not come up: \(why); see: dish logs \(task.name)")
        }
        return task
    }
}
