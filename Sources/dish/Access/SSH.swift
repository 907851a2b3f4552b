import AgentAPI
import ArgumentParser
import FoundationEssentials
import Glibc
import Linux

struct SSH: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh", abstract: "Log in to a running task over SSH.",
        discussion: """
            No port and no address is needed. The image needs an SSH server; 'dish shell' and 'dish exec' need none. For scp, rsync and Ansible
            see: dish ssh-config.

            Examples:
              dish ssh web
              dish ssh web --user deploy -- uptime
            """)

    @Argument(help: "A task's name or id.", completion: .task)
    var task: String
    @Argument(parsing: .postTerminator, help: "A command for the user's shell.")
    var command: [String] = []
    @Option(name: .shortAndLong, help: "The user inside.")
    var user = "root"
    @Flag(name: .shortAndLong, help: "Give a command a terminal.")
    var tty = false

    func run() async throws {
        try requireRoot(to: "enter a task")
        let status = try await AgentClient.local(to: "log in to a task").task(task)
        _ = try SSHServer(status)
        guard let program = Executable.find("ssh") else {
            throw AgentError(.failed, "ssh is not installed; install it: apt-get install openssh-client")
        }
        var arguments = try SSHOptions.all().filter { $0.name != "User" }.flatMap { ["-o", "\($0.name)=\($0.value)"] }
        arguments += ["-l", user] + (tty ? ["-t"] : []) + ["\(status.name)\(SSHName.suffix)"]
        // Words that begin with a dash are the command's.
        if !command.isEmpty { arguments += ["--"] + command }
        // The client is the user's own: its agent, its terminal.
        var spawn = Spawn(program, arguments, environment: ProcessInfo.processInfo.environment)
        spawn.descriptors = [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        let ready = spawn
        throw ExitCode(try await blocking { try ExitStatus.wait(for: ready.start()).shellCode })
    }
}
