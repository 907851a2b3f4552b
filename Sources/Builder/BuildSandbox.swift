import Linux
import Runtime

/// Where the steps of a build run: the image's own root, a user namespace, no network, a fixed environment.
struct BuildSandbox: Sendable {
    /// The clock's lower bound in images: files are never younger (docs/layer-format.md).
    static let sourceDateEpoch: Int64 = 1_700_000_000
    /// What a step sees of the world's settings; nothing is inherited.
    static let environment = [
        "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/root", "SOURCE_DATE_EPOCH": "\(sourceDateEpoch)",
    ]

    let runtime: any Runtime
    /// First host id of the user namespace, out of reach of tasks' and of other builds'.
    let userBase: UInt32

    init(runtime: any Runtime) {
        self.runtime = runtime
        userBase = 1_610_612_736 + UInt32.random(in: 0..<4096) * 65536
    }

    /// The sandbox around a command.
    func container(_ command: [String], in root: String) -> Container {
        var container = Container(root: root, name: "build", program: .command(command))
        container.userBase = userBase
        container.ignoresSync = true
        container.environment = Self.environment
        return container
    }

    /// Runs a script with `/bin/sh -e` and returns what it printed.
    ///
    /// - Throws: `BuildError` with the end of the output when it fails.
    func run(
        _ script: String, in root: String, what: String, onOutput: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        var command = Command(try runtime.spawn(container(["/bin/sh", "-e", "-c", script], in: root)))
        command.mergesErrors = true
        command.onOutput = onOutput
        let result: Command.Result
        do {
            result = try await command.run()
        } catch let error as TimeLimitExceeded {
            throw BuildError(.step, "\(what): \(error)")
        }
        guard result.status.isSuccess else {
            let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false).suffix(40)
            throw BuildError(.step, "\(what): \(result.status)\n\(lines.map { "  | \($0)" }.joined(separator: "\n"))")
        }
    }
}
