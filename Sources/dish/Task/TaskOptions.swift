import AgentAPI
import ArgumentParser

/// `KEY=VALUE` options.
struct EnvironmentOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "KEY=VALUE, or KEY to pass the value it has here.")
    var env: [String] = []

    func validate() throws {
        for pair in env where pair.isEmpty || pair.hasPrefix("=") {
            throw ValidationError("--env '\(pair)': write KEY=VALUE.")
        }
    }

    var variables: [String: String] {
        var variables: [String: String] = [:]
        for pair in env {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if let value = parts.count == 2 ? parts[1] : environmentVariable(parts[0]) { variables[parts[0]] = value }
        }
        return variables
    }
}
