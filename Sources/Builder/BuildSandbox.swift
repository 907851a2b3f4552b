import Linux
import Runtime

/// Where the steps of a build run: the image's own root, a user namespace, no network, a fixed environment.
struct BuildSandbox: Sendable {
    /// The clock's lower bound in images: files are never younger (docs/layer-format.md).
    static let sourceDateEpoch: Int64 = 1_700_000_000

    let runtime: any Runtime
    /// First host id of the user namespace, out of reach of tasks' and of other builds'.
    let userBase: UInt32

    init(runtime: any Runtime) {
        self.runtime = runtime
        userBase = 1_610_612_736 + UInt32.random(in: 0..<4096) * 65536
    }

    /// Runs a script with `/bin/sh -e` and returns what it printed.
    ///
    /// - Parameter configure: changes what the container sees.
    /// - Throws: `BuildError` with the end of the output when it fails.
    func run(
        _ script: String, in root: String, what: String, configure: (inout Container) -> Void = { _ in },
        onOutput: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        var container = Container(root: root, name: "build", program: .command(["/bin/sh", "-e", "-c", script]))
        container.userBase = userBase
        container.ignoresSync = true
        container.environment = [
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/root", "SOURCE_DATE_EPOCH": "\(Self.sourceDateEpoch)",
        ]
        configure(&container)
        var command = Command(try runtime.spawn(container))
        command.mergesErrors = true
        command.onOutput = onOutput
        let result = try await command.run()
        guard result.status.isSuccess else {
            let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false).suffix(40)
            throw BuildError(.step, "\(what): \(result.status)\n\(lines.map { "  | \($0)" }.joined(separator: "\n"))")
        }
    }
}
