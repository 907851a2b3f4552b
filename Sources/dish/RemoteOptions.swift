import AgentAPI
import ArgumentParser
import Glibc
import Linux

/// A command that asks the agent of any host. All others are refused where another host is named: they would work on this one.
protocol RemoteCommand: ParsableCommand {}

/// Options before or after the command's name: which host's agent is meant. They are passed on as variables, which do the same.
struct RemoteOptions: ParsableArguments {
    @Option(name: .customLong("host"), help: "HOST:PORT of another host's agent (or $DISH_HOST); it needs --tls-….")
    var address: String?
    @Option(help: "PEM file of your certificate (or $DISH_TLS_CERT).")
    var tlsCert: String?
    @Option(help: "PEM file of its key (or $DISH_TLS_KEY).")
    var tlsKey: String?
    @Option(help: "PEM file of the authorities of the agent's certificate (or $DISH_TLS_CA).")
    var tlsCa: String?

    static let host = "DISH_HOST"

    private static let variables = [
        "--host": host, "--tls-cert": "DISH_TLS_CERT", "--tls-key": "DISH_TLS_KEY", "--tls-ca": "DISH_TLS_CA",
    ]

    /// The options that were given.
    nonisolated(unsafe) private static var given: Set<String> = []

    static var areGiven: Bool { !given.isEmpty }

    /// Takes the options, wherever they stand before a `--`.
    static func pass(_ arguments: [String]) {
        var rest = arguments.prefix { $0 != "--" }[...]
        while let next = rest.popFirst() {
            guard next.utf8.starts(with: "--".utf8) else { continue }
            let parts = next.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let variable = variables[parts[0]], let value = parts.count == 2 ? parts[1] : rest.popFirst() else { continue }
            setenv(variable, value, 1)
            given.insert(parts[0])
        }
    }

    /// Refuses a command that works on this host alone, when another one is named.
    static func check(_ command: any ParsableCommand) throws {
        guard let host = environmentVariable(host) else {
            guard let option = given.first(where: { $0 != "--host" }) else { return }
            throw ValidationError("\(option) is for another host's agent: name it with --host HOST:PORT, or leave \(option) out.")
        }
        guard !(command is any RemoteCommand) else { return }
        let configuration = type(of: command).configuration
        // Help is the same everywhere.
        if !configuration.subcommands.isEmpty || !configuration.groupedSubcommands.isEmpty { return }
        if String(describing: type(of: command)) == "HelpCommand" { return }
        throw AgentError(
            .invalid,
            "this command can't be given over the API of \(host): it is done on the host itself; run dish there, by ssh for instance, or leave out --host (or DISH_HOST)"
        )
    }

    /// - Throws: `AgentError` when a host is named and what it needs isn't.
    static func remote() throws -> RemoteAgent? {
        guard let address = environmentVariable(host) else { return nil }
        guard let colon = address.lastIndex(of: ":"), UInt16(address[address.index(after: colon)...]) != nil,
            address.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), !address.contains("/"), !address.contains("@")
        else { throw AgentError(.invalid, "--host '\(address)': write HOST:PORT") }
        func file(_ option: String) throws -> String {
            guard let path = variables[option].flatMap({ environmentVariable($0) }) else {
                throw AgentError(.invalid, "--host needs \(option): agents elsewhere want to know who asks")
            }
            let absolute = Files.absolute(path)
            guard access(absolute, R_OK) == 0 else { throw SystemError("read", absolute) }
            return absolute
        }
        return RemoteAgent(
            address: address, certificate: try file("--tls-cert"), key: try file("--tls-key"), authorities: try file("--tls-ca"))
    }
}
