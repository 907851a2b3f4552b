import AgentAPI
import ArgumentParser
import Linux

struct SSHConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ssh-config", abstract: "Print the lines with which ssh, scp, rsync and Ansible reach TASK.dish.",
        discussion: """
            Examples:
              dish ssh-config >> ~/.ssh/config
              ssh web.dish
              rsync -a site/ web.dish:/var/www/html/
            """)

    func run() throws {
        try requireRoot(to: "enter tasks")
        print("Host *\(SSHName.suffix)", to: .output)
        for option in try SSHOptions.all() { print("    \(option.name) \(option.value)", to: .output) }
    }
}

/// Options of ssh(1) with which it reaches tasks.
enum SSHOptions {
    static func all() throws -> [(name: String, value: String)] {
        let program = try program()
        return [
            ("User", "root"), ("ProxyCommand", "\(program) ssh-proxy %h"), ("IdentityFile", quoted(try SSHKeys.ofHost().path)),
            ("IdentitiesOnly", "yes"), ("StrictHostKeyChecking", "yes"), ("KnownHostsCommand", "\(program) ssh-known-host %H"),
            ("UserKnownHostsFile", "none"), ("GlobalKnownHostsFile", "none"), ("HostKeyAlgorithms", "ssh-ed25519"),
            ("CheckHostIP", "no"), ("UpdateHostKeys", "no"),
        ]
    }

    /// This program, as a command that finds the same agent whoever runs it.
    private static func program() throws -> String {
        let variables = ["DISH_RUN_DIR", "DISH_STATE_DIR"].compactMap { name in
            environmentVariable(name).map { "\(name)=\(Files.absolute($0))" }
        }
        let words = (variables.isEmpty ? [] : ["/usr/bin/env"] + variables) + [try Executable.current()]
        return words.map(quoted).joined(separator: " ")
    }

    /// A word for `ssh`, which expands `%`, and for a shell.
    private static func quoted(_ word: String) -> String {
        let escaped = word.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
        return escaped.contains(where: { $0 == " " || $0 == "\t" }) ? "\"\(escaped)\"" : escaped
    }
}
