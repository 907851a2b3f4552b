import AgentAPI
import ArgumentParser
import FoundationEssentials
import Linux
import Spec

struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Keep secrets for tasks.",
        discussion: "Tasks see them as systemd credentials: in no environment, log, command line, image or snapshot.",
        subcommands: [SecretCreate.self, SecretList.self, SecretRemove.self])
}

struct SecretCreate: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Keep a secret on this host.",
        discussion: """
            One that is there with another content is refused, unless --replace says that it goes. Tasks that run see a new content at
            their next start. Nothing prints it again.

            Examples:
              dish secret create db-password password.txt
              pass show db | dish secret create db-password
              pass show db | dish secret create --replace db-password
              dish run //web:db --name db --stored-secret db-password
            """)

    @Argument(help: "Letters, digits, '.', '_' and '-'.")
    var name: String
    @Argument(help: "The file that has it; without it, or with '-', standard input.", completion: .file())
    var file = "-"
    @Flag(help: "Replace the content of one that is there.")
    var replace = false

    func validate() throws {
        guard Names.isSecret(name) else {
            throw ValidationError("'\(name)' can't be a secret's name: use letters, digits, '.', '_' and '-', 64 at most.")
        }
    }

    func run() async throws {
        let content = try SecretOptions.content(of: file)
        print(try await AgentClient.host.put(secret: name, base64: content, replaces: replace).name, to: .output)
    }
}

struct SecretList: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the secrets, and who is given them.")

    @OptionGroup var json: JSONOption

    func run() async throws {
        let secrets = try await AgentClient.host.secrets()
        if json.json { return try printJSON(secrets) }
        printTable(
            ["NAME", "BYTES", "USED BY"], secrets.map { [$0.name, "\($0.size)", $0.usedBy.joined(separator: ", ")] })
    }
}

struct SecretRemove: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Forget secrets that nothing is given.")

    @Argument(help: "Their names.", completion: .secret)
    var names: [String]
    @OptionGroup var missing: MissingOption

    func run() async throws {
        try await forEach(names) { name in
            try await missing.accepting {
                try await AgentClient.host.remove(secret: name)
                print(name, to: .output)
            }
        }
    }
}
