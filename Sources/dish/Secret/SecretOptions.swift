import AgentAPI
import ArgumentParser
import FoundationEssentials
import Linux
import Spec

/// What a task is given that nobody else shall see.
struct SecretOptions: ParsableArguments {
    @Option(help: "NAME=FILE, or NAME for standard input: a credential of the task's own.")
    var secret: [String] = []
    @Option(
        help: "[CREDENTIAL=]NAME: a credential that is a secret of the host (dish secret create).",
        transform: SecretUse.argument)
    var storedSecret: [SecretUse] = []

    func validate() throws {
        for text in secret where !Names.isSecret(String(text.prefix { $0 != "=" })) {
            throw ValidationError("--secret '\(text)': write NAME=FILE or NAME, of letters, digits, '.', '_' and '-'.")
        }
        if secret.count(where: { !$0.contains("=") }) > 1 {
            throw ValidationError("Only one --secret can be read from standard input.")
        }
    }

    var readsInput: Bool { secret.contains { !$0.contains("=") } }

    /// By name, in base64; nil for none.
    func values() throws -> [String: String]? {
        var values: [String: String] = [:]
        for text in secret {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            values[parts[0]] = try Self.content(of: parts.count == 2 ? parts[1] : "-")
        }
        return values.isEmpty ? nil : values
    }

    /// A file's content in base64; `-` is standard input.
    static func content(of file: String) throws -> String {
        Data(try Files.read(file == "-" ? "/dev/stdin" : file)).base64EncodedString()
    }
}
