import Btrfs
import Glibc
import Layers
import Linux
import Manifest
import Runtime
import Seccomp
import Spec
import TaskAccess

/// A throw-away copy of an image in the sandbox of the build's steps, with their limits.
struct TestCopy: Sendable {
    let staged: StagingDirectory
    let pool: Pool
    let limits: StepLimits
    private let runtime: any Runtime
    private let sandbox: BuildSandbox
    private let memory: StepMemory
    /// Of what runs in it: what its tasks would get.
    let environment: [String: String]

    init(of layer: Layer, in pool: Pool, runtime: any Runtime, limits: StepLimits) throws {
        self.pool = pool
        self.runtime = runtime
        self.limits = limits
        sandbox = BuildSandbox(runtime: runtime)
        memory = StepMemory(limit: limits.memory)
        let configuration = try ImageConfiguration.read(root: pool.root(of: layer.id))
        environment = ["LC_ALL": "C.UTF-8", "TZ": "UTC"].merging(configuration.environment) { $1 }
        staged = try StagingDirectory(in: pool)
        let groups = try pool.limitSteps(of: staged)
        try Subvolume.snapshot(pool.root(of: layer.id), to: staged.root, in: groups)
        try SandboxHosts.add(to: staged.root, onlyIfMissing: true)
    }

    /// A command in the sandbox.
    func command(_ command: TestCommand) throws -> Command {
        var container = container(.command(command.arguments))
        if command.user != "root" { container.user = command.user }
        memory.limit(&container)
        var spawn = try spawn(container)
        spawn.cgroups = memory.procs
        return Command(spawn)
    }

    /// The copy, booted, with its console as output. Its memory is limited by the group that it is started in.
    func boot() throws -> Spawn {
        var container = container(.boot)
        container.console = .output
        return try spawn(container)
    }

    /// What holds the processes of a booted copy, for those that join them: all that systemd-nspawn grants, of its own network too.
    static func confinementWhenBooted() throws -> TaskEntry.Confinement {
        let (filter, capabilities) = try whenBooted.get()
        return .asTask(filter, capabilities)
    }

    private static let whenBooted = Result { () throws(SystemError) -> (SystemCallFilter, Spawn.Capabilities) in
        let capabilities = Nspawn.capabilities.union(["NET_ADMIN"])
        return (try SystemCallFilter(capabilities: capabilities, refused: []), .init(named: capabilities, gainsNothing: false))
    }

    /// How often the kernel killed something of its commands because the limit of memory was reached.
    var kills: UInt64 { memory.kills }

    func memoryFailure(_ place: ManifestError.Place) -> TestFailure {
        TestFailure(
            place, expected: "\(ByteCount(bytes: limits.memory)) of memory to be enough",
            seen: "that limit was reached, and something was killed; give it more: --memory SIZE")
    }

    private func container(_ program: Container.Program) -> Container {
        var container = sandbox.container([], in: staged.root)
        container.program = program
        container.environment = environment
        container.processLimit = limits.processes
        return container
    }

    private func spawn(_ container: Container) throws -> Spawn {
        try BuildSandbox.contained(BuildSandbox.sealed(container), by: runtime)
    }
}
