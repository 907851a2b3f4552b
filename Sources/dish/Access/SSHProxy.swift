import ArgumentParser
import Glibc
import Linux

struct SSHProxy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh-proxy", abstract: "Run a task's sshd on standard input and output: what ssh's ProxyCommand needs.",
        shouldDisplay: false)

    @Argument(help: "TASK or TASK.dish")
    var host: String

    func run() async throws {
        try requireRoot(to: "enter a task")
        let server = try SSHServer(await SSHName.task(host))
        throw ExitCode(try await server.run())
    }
}

struct SSHKnownHost: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh-known-host", abstract: "Print a task's host key: what ssh's KnownHostsCommand needs.",
        shouldDisplay: false)

    @Argument(help: "TASK or TASK.dish")
    var host: String

    func run() async throws {
        try requireRoot(to: "enter a task")
        let task = try await SSHName.task(host)
        print("\(host) \(try SSHKeys.ofTask(task).publicKey())", to: .output)
    }
}
