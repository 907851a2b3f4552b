import AgentAPI
import ArgumentParser
import Manifest

/// Limits of a task, as options.
struct LimitOptions: ParsableArguments {
    @Option(help: "CPUs it may use at most, like 0.5 or 2.")
    var cpu: Double?
    @Option(help: "Memory it may use at most, like 512M; reaching it ends the task.")
    var memory: String?
    @Option(help: "What it may write to its root file system, like 1G.")
    var disk: String?
    @Option(help: "Processes and threads it may have.")
    var pids: UInt64?
    @Flag(help: "Leave out limits that this host can't enforce, instead of refusing.")
    var bestEffort = false

    func validate() throws {
        if let cpu, !(cpu >= 0.001 && cpu <= 100_000) { throw ValidationError("--cpu must be a number from 0.001, like 0.5.") }
        for (name, text) in [("--memory", memory), ("--disk", disk)] {
            if let text, ByteCount(text) == nil { throw ValidationError("\(name) '\(text)' is not a size, like 512M or 2G.") }
        }
    }

    var limits: TaskRequest.Limits {
        TaskRequest.Limits(
            cpu: cpu.map { UInt64(($0 * 1000).rounded()) }, memory: memory.flatMap { ByteCount($0)?.bytes },
            disk: disk.flatMap { ByteCount($0)?.bytes }, pids: pids)
    }
}

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
