import AgentAPI
import ArgumentParser
import Linux

struct Exec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a command in a running task.",
        discussion: """
            It gets a terminal when this program has one. The exit code is the command's own.

            Examples:
              dish exec web -- systemctl status nginx
              dish exec web --user www-data -- id
              tar c . | dish exec web -- tar x -C /srv
            """)

    @Argument(help: "A task's name or id.", completion: .task)
    var task: String
    @Argument(help: "The command; one with options goes after --.")
    var command: [String]

    @Option(name: .shortAndLong, help: "The user inside it runs as.")
    var user = "root"
    @Option(name: .shortAndLong, help: "Its working directory (default: the user's home).")
    var workdir: String?
    @OptionGroup var environment: EnvironmentOptions
    @Flag(name: .shortAndLong, help: "Give it a terminal in any case.")
    var tty = false
    @Flag(name: .customLong("no-tty"), help: "Give it no terminal.")
    var noTerminal = false
    @Flag(name: .shortAndLong, help: .hidden)
    var interactive = false

    func validate() throws {
        if tty, noTerminal { throw ValidationError("--tty and --no-tty exclude each other.") }
    }

    func run() async throws {
        try requireRoot(to: "enter a task")
        let status = try await AgentClient.local(to: "run something in a task").task(task)
        var entry = try TaskEntry(status, user: user)
        entry.directory = workdir
        entry.environment.merge(environment.variables) { $1 }
        entry.terminal = tty ? true : noTerminal ? false : nil
        let (ready, all) = (entry, command)
        throw ExitCode(try await blocking { try ready.run(all) })
    }
}

struct Shell: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Open a login shell in a running task.",
        discussion: """
            It is the user's own, or bash or sh where that is missing or lets nobody in.

            Examples:
              dish shell web
              dish shell web --user deploy
            """)

    @Argument(help: "A task's name or id.", completion: .task)
    var task: String
    @Option(name: .shortAndLong, help: "The user inside.")
    var user = "root"

    func run() async throws {
        try requireRoot(to: "enter a task")
        let status = try await AgentClient.local(to: "run something in a task").task(task)
        let entry = try TaskEntry(status, user: user)
        throw ExitCode(try await blocking { try entry.run([entry.loginShell(), "-l"]) })
    }
}
