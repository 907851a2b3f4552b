import Btrfs
import Glibc
import Layers
import Linux
import Manifest
import Runtime

/// A throw-away copy of an image in the sandbox of the build's steps.
struct TestCopy: Sendable {
    let staged: StagingDirectory
    let pool: Pool
    private let runtime: any Runtime
    private let sandbox: BuildSandbox
    /// Of what runs in it: what its tasks would get.
    let environment: [String: String]

    init(of layer: Layer, in pool: Pool, runtime: any Runtime) throws {
        self.pool = pool
        self.runtime = runtime
        sandbox = BuildSandbox(runtime: runtime)
        let configuration = try ImageConfiguration.read(root: pool.root(of: layer.id))
        environment = ["LC_ALL": "C.UTF-8", "TZ": "UTC"].merging(configuration.environment) { $1 }
        staged = try StagingDirectory(in: pool)
        try Subvolume.snapshot(pool.root(of: layer.id), to: staged.root)
    }

    /// A command in the sandbox.
    func command(_ command: TestCommand) throws -> Command {
        var container = container(.command(command.arguments))
        if command.user != "root" { container.user = command.user }
        return Command(try spawn(container))
    }

    /// The copy, booted, with its console as output.
    func boot() throws -> Spawn {
        var container = container(.boot)
        container.console = .output
        return try spawn(container)
    }

    private func container(_ program: Container.Program) -> Container {
        var container = sandbox.container([], in: staged.root)
        container.program = program
        container.environment = environment
        container.processLimit = StepLimits().processes
        return container
    }

    private func spawn(_ container: Container) throws -> Spawn {
        try BuildSandbox.contained(runtime.spawn(BuildSandbox.sealed(container)))
    }
}
