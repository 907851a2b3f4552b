import Linux
import Runtime
import Seccomp

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

    /// What nspawn would tell of the host, or make up anew at each start, made the same everywhere.
    static func sealed(_ container: Container) -> Container {
        var sealed = container
        sealed.name = "build"
        sealed.machineID = String(repeating: "0", count: 31) + "1"
        for name in ["id", "version_id", "build_id", "variant_id"] { sealed.environment["container_host_\(name)"] = "" }
        return sealed
    }

    /// The process of a container, with all that comes of it in a PID namespace that ends with it.
    ///
    /// The init that nspawn starts in a user namespace has lost its parent-death signal: it would outlive an nspawn
    /// that is killed. The first process of a PID namespace takes all others along.
    static func contained(_ container: Container, by runtime: any Runtime) throws(RuntimeError) -> Spawn {
        guard let unshare = Executable.find("unshare") else {
            throw RuntimeError(
                .notInstalled, "cannot run steps: unshare is not installed; install it: apt-get install util-linux")
        }
        var spawn = try runtime.spawn(container)
        let hasVolatileRun = (try? Mounts.containing("/run"))?.type == "tmpfs"
        let script = (hasVolatileRun ? "" : volatileRun) + preparation
        let mounted = [container.root] + container.binds.map(\.source)
        spawn.arguments =
            Arguments().flag("pid", "fork").option("kill-child", "KILL").flag("mount-proc")
            .end(["/bin/sh", "-ec", script, "\(mounted.count)"] + mounted + [spawn.program] + spawn.arguments).list
        spawn.program = unshare
        do {
            try runtime.prepare(root: container.root)
            spawn.filters = try refusals.get().programs + (container.ignoresSync ? syncs.get().programs : [])
        } catch let error as RuntimeError {
            throw error
        } catch {
            throw RuntimeError(.invalid, "\(error)")
        }
        return spawn
    }

    /// What no container may do, and nspawn lets pass.
    private static let refusals = Result { () throws(SystemError) in try SystemCallFilter.refusals() }

    private static let syncs = Result { () throws(SystemError) in try SystemCallFilter.ignoringSyncs() }

    /// In the mount namespace that nspawn is started in: device nodes of what it mounts can't be opened, and its directories in
    /// `/run` are in memory, as systemd has them; elsewhere it complains among what the step prints.
    private static let preparation = """
        count=$0
        while [ $count -gt 0 ]; do
            mount --bind -o nodev -- "$1" "$1"
            shift
            count=$((count - 1))
        done
        exec "$@"
        """

    private static let volatileRun = "mkdir -p /run/systemd/nspawn; mount -t tmpfs -o mode=0700 tmpfs /run/systemd/nspawn\n"

    /// Runs a script with `/bin/sh -e`. What it prints goes to `onOutput`; only the end of it is kept, for the error.
    ///
    /// - Parameters:
    ///   - timeout: how long it may run, where that is less than any step may.
    ///   - configure: changes what the container sees.
    /// - Throws: `BuildError` with the end of the output when it fails.
    func run(
        _ script: String, in root: String, what: String, timeout: Duration? = nil,
        configure: (inout Container) -> Void = { _ in }, onOutput: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        var container = container(["/bin/sh", "-e", "-c", script], in: root)
        configure(&container)
        var command = Command(try runtime.spawn(container))
        command.mergesErrors = true
        let tail = OutputTail()
        command.outputLimit = 0
        command.onOutput = {
            tail.add($0)
            onOutput($0)
        }
        let isShorter = timeout.map { own in command.spawn.timeLimit.map { own < $0 } ?? true } ?? false
        if isShorter { command.spawn.timeLimit = timeout }
        let result: Command.Result
        do {
            result = try await command.run()
        } catch let error as TimeLimitExceeded {
            throw BuildError(
                .step,
                isShorter
                    ? "\(what): it took longer than its timeout of \(error.limit.components.seconds) s and was stopped"
                    : "\(what): \(error)")
        }
        guard result.status.isSuccess else {
            let lines = tail.lines(40)
            throw BuildError(.step, "\(what): \(result.status)\n\(lines.map { "  | \($0)" }.joined(separator: "\n"))")
        }
        // What a killed process should have made is missing, whether or not anybody minded.
        if (runtime as? StepRuntime)?.hasReachedMemoryLimit == true {
            throw BuildError(.step, "\(what): processes of it were killed")
        }
    }
}
