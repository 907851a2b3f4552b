import ArgumentParser
import Builder
import Glibc
import Layers
import Linux
import Runtime

struct ImageShellCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Look into an image, in a throw-away copy.",
        discussion: """
            It runs in the sandbox of the build's steps: no network, nothing of the host. What it changes is gone
            afterwards.

            Examples:
              dish image shell //web:app
              dish image shell --failed //web:app -- /run/dish-step
            """)

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Flag(help: "Open what the failed step of the label's last build found; the step is /run/dish-step inside.")
    var failed = false
    @Argument(parsing: .postTerminator, help: "A command instead of a shell.")
    var command: [String] = []
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions

    func run() throws {
        try requireRoot(to: "open images")
        let pool = try pool.openHolding()
        var shell: ImageShell
        if failed {
            let label = try workspace.label(image)
            guard let failure = try pool.failedStep(of: label) else {
                throw PoolError(.unknownImage, "no failed step of \(label) is kept in the pool at '\(pool.path)'")
            }
            shell = try ImageShell(of: failure.root, in: pool, runtime: Nspawn())
            try shell.offer(failure.step.step)
            print("This is what '\(failure.step.step.name)' of \(label) found. Run it again: \(ImageShell.script)", to: .errors)
        } else {
            shell = try ImageShell(of: pool.root(of: pool.resolve(image).id), in: pool, runtime: Nspawn())
        }
        let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        let spawn = try shell.spawn(command, isTerminal: isTerminal)
        let code = try isTerminal ? onThisTerminal(spawn) : PipedSession().run(spawn)
        shell.close()
        if code != 0 { throw ExitCode(code) }
    }

    private func onThisTerminal(_ spawn: Spawn) throws -> CInt {
        // What is typed is for the shell inside.
        signal(SIGINT, SIG_IGN)
        signal(SIGQUIT, SIG_IGN)
        return try ExitStatus.wait(for: spawn.start()).shellCode
    }
}
