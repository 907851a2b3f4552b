import ArgumentParser
import Glibc
import Linux

@main
struct Dish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dish",
        abstract: "Containers on Btrfs: build images, run tasks, keep volumes.",
        discussion: """
            Examples:
              dish pool create /var/lib/dish/pool --size 20G
              dish image build //web:app
              dish run //web:app --name web --publish 8080:80
              dish ps
              dish --host web1:7070 --tls-cert me.pem --tls-key me.key --tls-ca hosts.pem ps
            """,
        version: AgentVersion.text,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(
                name: "Pools, images and volumes",
                subcommands: [PoolCommand.self, ImageCommand.self, VolumeCommand.self, StreamGroup.self]),
            CommandGroup(
                name: "Tasks",
                subcommands: [
                    Run.self, ListTasks.self, Logs.self, Exec.self, Shell.self, Stop.self, Start.self, Restart.self, Remove.self,
                    Inspect.self, Stats.self, Top.self, Update.self, Events.self, SnapshotTask.self, RollBack.self, History.self,
                    DiffTask.self, Restore.self,
                    CommitTask.self, SSH.self, SSHConfig.self, SSHProxy.self, SSHKnownHost.self, CopyFiles.self,
                ]),
            CommandGroup(name: "Jobs", subcommands: [JobCommand.self]),
            CommandGroup(name: "Hosts", subcommands: [SecretCommand.self, HostCommand.self, OperationCommand.self]),
        ]
    )

    @OptionGroup var remote: RemoteOptions

    /// Exit codes: 0 done, 1 failed, 2 wrong usage; `exec` and `run` pass the command's own through.
    static func main() {
        signal(SIGPIPE, SIG_IGN)
        // The modes of what is made, in images above all, are not the caller's choice.
        umask(0o022)
        RemoteOptions.pass(Array(CommandLine.arguments.dropFirst()))
        runMain { await execute() }
    }

    /// The commands that are given most often. They say of themselves that they are below `dish` (`_superCommandName`).
    private static let frequent: [any AsyncParsableCommand.Type] = [
        Exec.self, ListTasks.self, Run.self, Remove.self, Stop.self, Start.self, Inspect.self, Logs.self,
    ]

    /// One of these commands, where its arguments are right and nothing is asked of `dish` as a whole. Else nil, and the whole is
    /// parsed, which finds the words for what is wrong.
    ///
    /// The tree of all commands takes longer to make than most commands take, and the library looks for a request for completions in
    /// whatever says that it is the whole.
    private static func frequentCommand() async -> (any ParsableCommand)? {
        let arguments = CommandLine.arguments.dropFirst()
        guard !RemoteOptions.areGiven, let name = arguments.first,
            let command = frequent.first(where: { $0.configuration.commandName == name })
        else { return nil }
        return try? await command.asyncParseAsRoot(Array(arguments.dropFirst()))
    }

    private static func execute() async -> CInt {
        do {
            var command = if let frequent = await frequentCommand() { frequent } else { try await asyncParseAsRoot() }
            try RemoteOptions.check(command)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        } catch is CancellationError {
            print("dish: interrupted; what was unfinished is removed", to: .errors)
            return 1
        } catch {
            let code = exitCode(for: error)
            if code == .success || code == .validationFailure || error is ValidationError {
                let text = OptionSuggestion.improve(fullMessage(for: error))
                print(text, to: code == .success ? .output : .errors)
                return code == .success ? 0 : 2
            }
            print(printable("dish: \(SettingOptions.sentence(error))"), to: .errors)
            return 1
        }
    }
}
