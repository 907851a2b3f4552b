import Btrfs
import Glibc
public import Layers
public import Linux
public import Runtime

/// A throw-away copy of an image, or of what a failed step found, in the sandbox of the steps.
public struct ImageShell: Sendable {
    /// Where the failed step's script is inside.
    public static let script = "/run/dish-step"

    private let staged: StagingDirectory
    private let runtime: any Runtime
    private var binds: [Container.Bind] = []

    /// - Parameter root: a subvolume; it isn't changed.
    public init(of root: String, in pool: Pool, runtime: any Runtime) throws {
        staged = try StagingDirectory(in: pool)
        self.runtime = runtime
        try Subvolume.snapshot(root, to: staged.root)
        try SandboxHosts.add(to: staged.root, onlyIfMissing: true)
    }

    /// Puts a failed step's script at hand.
    public mutating func offer(_ step: BuildRecord.Step) throws {
        // The last argument of `/bin/sh -e -c` is the script.
        let path = "\(staged.path)/step"
        try Files.replace(path, with: "#!/bin/sh -e\n\(step.command.last ?? "")\n".utf8, mode: 0o755, durable: false)
        binds.append(.init(path, at: Self.script))
    }

    /// The process to start: on the caller's terminal, of which systemd-nspawn makes another one for what runs inside, or else in a
    /// session of its own, with descriptors that the caller makes for it. systemd-nspawn hands those on as they are.
    ///
    /// - Parameter command: empty for a shell.
    public func spawn(_ command: [String], isTerminal: Bool) throws -> Spawn {
        let root = try OwnedFD.open(staged.root, O_RDONLY | O_DIRECTORY)
        let shell = root.contains("/bin/bash") ? "/bin/bash" : "/bin/sh"
        var container = BuildSandbox(runtime: runtime).container(
            command.isEmpty ? [shell] : command, in: staged.root)
        container.console = isTerminal ? .terminal : .pipe
        container.binds = binds
        if isTerminal { container.environment["TERM"] = "xterm-256color" }
        var spawn = try BuildSandbox.contained(BuildSandbox.sealed(container), by: runtime)
        // A terminal that is the caller's is not the container's: nspawn has one of its own for it.
        if isTerminal { spawn.descriptors = [0, 1, 2] }
        spawn.newSession = !isTerminal
        spawn.deathSignal = SIGKILL
        return spawn
    }

    /// Removes the copy.
    public consuming func close() {}
}
