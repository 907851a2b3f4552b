import AgentAPI
import ArgumentParser
import Linux

struct Exec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", _superCommandName: "dish", abstract: "Run a command in a running task.",
        discussion: """
            It gets a terminal when this program has one. It may do what the task itself may, and sees the task's environment variables.
            The exit code is the command's own; 127 when there is no such command, 126 when it can't be executed.

            Examples:
              dish exec web -- systemctl status nginx
              dish exec web --user www-data -- id
              tar c . | dish exec web -- tar x -C /srv
            """)

    @Argument(help: "A task's name or id.", completion: .task)
    var task: String
    @Argument(help: "The command; one with options goes after --.")
    var command: [String]

    @Option(name: .shortAndLong, help: "The user inside it runs as: USER[:GROUP], names or numbers.")
    var user = "root"
    @Option(name: .shortAndLong, help: "Its working directory (default: that of the task's command, or else the user's home).")
    var workdir: String?
    @OptionGroup var environment: EnvironmentOptions
    @Flag(name: .shortAndLong, help: "Give it a terminal in any case.")
    var tty = false
    @Flag(name: .customLong("no-tty"), help: "Give it no terminal.")
    var noTerminal = false
    @Flag(
        help:
            "Give it all capabilities of the task's user namespace and no filter of system calls. In a task without a user namespace it is then as good as root of the host. An event tells of it."
    )
    var privileged = false
    @Flag(name: .shortAndLong, help: .hidden)
    var interactive = false

    func validate() throws {
        if tty, noTerminal { throw ValidationError("--tty and --no-tty exclude each other.") }
    }

    func run() async throws {
        try requireRoot(to: "enter a task")
        let agent = try AgentClient.local(to: "run something in a task")
        let status = try await agent.task(task)
        var session = try TaskSession(status)
        session.user = user
        session.directory = workdir
        session.environment = environment.variables
        session.terminal = tty ? true : noTerminal ? false : nil
        session.isPrivileged = privileged
        if privileged { try await agent.reportPrivilegedEntry(status.id) }
        let (ready, all) = (session, command)
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
    @Option(name: .shortAndLong, help: "The user inside: USER[:GROUP], names or numbers.")
    var user = "root"

    func run() async throws {
        try requireRoot(to: "enter a task")
        let status = try await AgentClient.local(to: "run something in a task").task(task)
        var session = try TaskSession(status)
        session.user = user
        let ready = session
        throw ExitCode(try await blocking { try ready.runShell() })
    }
}
