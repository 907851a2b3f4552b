import AgentAPI
import ArgumentParser

struct OperationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operation", abstract: "What takes its time: list, follow, cancel.",
        discussion: """
            Examples:
              dish job apply --background web.yaml
              dish operation ls
              dish operation wait 1f3a5c7e9b0d
              dish operation cancel 1f3a5c7e9b0d
            """,
        subcommands: [OperationList.self, OperationShow.self, OperationWait.self, OperationCancel.self])
}

/// Whether a command waits.
struct BackgroundOption: ParsableArguments {
    @Flag(help: "Don't wait: print the operation's id; see: dish operation --help.")
    var background = false
}

struct OperationList: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List what is under way.",
        discussion: """
            Examples:
              dish operation ls
              dish operation ls --all --json
            """)

    @Flag(help: "Also what has ended within the last hour.")
    var all = false
    @OptionGroup var json: JSONOption

    func run() async throws {
        let operations = try await AgentClient.host.operations().filter { all || !$0.state.hasEnded }
        if json.json { return try printJSON(operations) }
        printTable(
            ["ID", "KIND", "OF", "STATE", "STARTED", "CANCEL", "STEP"],
            operations.map { operation in
                [
                    operation.id, operation.kind.rawValue, printable(operation.target), operation.state.rawValue,
                    age(operation.started / 1000), operation.canCancel ? "yes" : "no", printable(operation.explanation),
                ]
            })
    }
}

struct OperationShow: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show an operation, as JSON.",
        discussion: """
            Example: dish operation show 1f3a5c7e9b0d
            """)

    @Argument(help: "Its id.", completion: .operation)
    var id: String
    @OptionGroup var json: JSONOption

    func run() async throws { try printJSON(try await AgentClient.host.operation(id)) }
}

struct OperationWait: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Return when an operation has ended; fail unless it was done.",
        discussion: """
            Example: dish operation wait 1f3a5c7e9b0d
            """)

    @Argument(help: "Its id.", completion: .operation)
    var id: String
    @OptionGroup var json: JSONOption

    func run() async throws {
        let operation = try await AgentClient.host.ended(operation: id, isQuiet: json.json)
        if json.json { try printJSON(operation) }
        guard operation.state == .done else {
            throw AgentError(
                operation.error?.code ?? .failed,
                "the operation \(id) (\(operation.kind.rawValue) of \(operation.target)) was \(operation.state.word): \(operation.error?.message ?? "")"
            )
        }
    }
}

struct OperationCancel: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Have an operation not happen; what can't be taken back is refused.",
        discussion: """
            It returns when the operation has ended: what it was about is, or will be, as it was before.

            Example: dish operation cancel 1f3a5c7e9b0d
            """)

    @Argument(help: "Its id.", completion: .cancellableOperation)
    var id: String
    @OptionGroup var json: JSONOption

    func run() async throws {
        let agent = try AgentClient.host
        _ = try await agent.cancel(operation: id)
        let operation = try await agent.ended(operation: id, isQuiet: true)
        if json.json { try printJSON(operation) }
        guard operation.state == .cancelled else {
            throw AgentError(.conflict, "the operation \(id) was \(operation.state.word) before it could be cancelled")
        }
    }
}

extension AgentClient {
    /// Returns once an operation has ended; shows each change on standard error.
    func ended(operation id: String, isQuiet: Bool) async throws -> OperationStatus {
        var (operation, shown) = (try await operation(id), "")
        while true {
            let line = "\(id): \(operation.state.rawValue)\(operation.explanation.isEmpty ? "" : ", \(operation.explanation)")"
            if line != shown, !isQuiet { print(printable(line), to: .errors) }
            shown = line
            if operation.state.hasEnded { return operation }
            operation = try await wait(operation: id, seconds: 1)
        }
    }
}

extension OperationStatus {
    /// What it is doing and how far it is, or what came of it.
    var explanation: String {
        if let error { return error.message }
        guard !state.hasEnded else { return "" }
        let amount = progress.flatMap { progress -> String? in
            guard progress.total > 0 else { return nil }
            switch progress.unit {
            case .bytes: return "\(shownBytes(progress.done)) of \(shownBytes(progress.total))"
            case .replicas: return "\(progress.done) of \(progress.total) replicas"
            }
        }
        return [step, amount].compactMap { $0 }.joined(separator: ", ")
    }
}

extension OperationStatus.State {
    /// In a sentence: `it was interrupted`.
    fileprivate var word: String { self == .failed ? "not done" : rawValue }
}
