import AgentAPI
import ArgumentParser
import Glibc
import Layers
import Linux
import Registry
import Spec
import TaskHelper

struct Run: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", _superCommandName: "dish", abstract: "Start a task from an image.",
        discussion: """
            An image with an init is booted; 'run' returns when it is up. With -- COMMAND that runs instead, and
            'run' ends with its exit code.

            Examples:
              dish run //web:app --name web --publish 8080:80
              dish run //web:app --name web --memory 512M --cpu 1.5 --disk 2G
              dish run //web:db --name db --class guaranteed --cpu 1 --memory 2G
              dish run //web:db --name db --volume data:/var/lib/db
              dish run //web:app --name web --restart on-failure:5 --health-http 80/
              dish run //web:db --name db --secret password=password.txt --stored-secret tls-key
              dish run //web:api --security confined --user nobody -- /usr/bin/api
              dish run --rm //org:base -- /bin/cat /etc/os-release
              dish run --rm -it //org:base -- /bin/bash
            """)

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Argument(parsing: .postTerminator, help: "What runs instead of the image's init.")
    var command: [String] = []

    @Option(help: "The task's name (default: made from the image's).")
    var name: String?
    @OptionGroup var limits: LimitOptions
    @Option(
        name: .customLong("class"),
        help: "How it stands to others: guaranteed (all of --cpu and --memory is set aside), burstable or best-effort.",
        transform: Self.taskClass)
    var taskClass = TaskClass.burstable
    @Option(
        name: .shortAndLong,
        help: "[ADDRESS:]HOST:TASK[/udp]: a port of the host that leads to one of the task; an IPv6 address is in brackets.",
        transform: PublishedPort.argument)
    var publish: [PublishedPort] = []
    @Option(help: "private (an address of its own), host or none.", transform: Self.network)
    var network = TaskRequest.Network.private
    @Option(help: "A path of the host that the image may mount, with what is below it.")
    var allowMount: [String] = []
    @Option(name: .shortAndLong, help: "NAME:/path[:ro]: a volume and where the task sees it.", transform: VolumeMount.argument)
    var volume: [VolumeMount] = []
    @OptionGroup var environment: EnvironmentOptions
    @OptionGroup var secrets: SecretOptions
    @Option(name: .shortAndLong, help: "The user inside that the command runs as.")
    var user: String?
    @Option(name: .shortAndLong, help: "The command's working directory.")
    var workdir: String?
    @Flag(inversion: .prefixedNo, help: "Give the task user ids of its own.")
    var userNamespace = true
    @OptionGroup var security: SecurityOptions
    @Flag(name: .shortAndLong, help: "Don't wait for the command to end.")
    var detach = false
    @Flag(name: .shortAndLong, help: "Give the command a terminal.")
    var tty = false
    @Flag(name: .shortAndLong, help: "Pass standard input to the command.")
    var interactive = false
    @Flag(help: "Remove the task when it ends.")
    var rm = false
    @OptionGroup var restart: RestartOptions
    @OptionGroup var health: HealthOptions
    @Option(help: "Seconds that booting may take.")
    var bootTimeout = 90
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        if interactive, secrets.readsInput {
            throw ValidationError("--interactive and a --secret from standard input exclude each other.")
        }
        if detach, interactive { throw ValidationError("--detach and --interactive exclude each other.") }
        if bootTimeout < 1 { throw ValidationError("--boot-timeout must be at least 1.") }
    }

    func run() async throws {
        var request = TaskRequest(image: try await imageName())
        request.name = name
        request.pool = pool.requested
        request.command = command.isEmpty ? nil : command
        request.environment = environment.variables
        request.user = user
        request.directory = workdir
        request.limits = try limits.limits
        request.class = taskClass
        request.bestEffort = limits.bestEffort
        request.network = network
        request.publish = publish
        request.allowedMounts = allowMount.map { Files.absolute($0) }
        request.volumes = volume
        request.secrets = secrets.storedSecret
        request.secretValues = try secrets.values()
        request.userNamespace = userNamespace
        request.security = security.security
        request.capabilities = security.capabilities
        request.terminal = tty
        request.interactive = interactive
        request.attach = !detach
        request.removeWhenDone = rm
        request.restart = restart.policy
        request.health = health.checks
        if tty, environment.variables["TERM"] == nil, let terminal = environmentVariable("TERM") {
            request.environment["TERM"] = terminal
        }
        let agent = try AgentClient.host
        // What a command prints comes from its helper's socket, which is root's on the task's own host; else from the agent.
        let isDistant = geteuid() != 0 || environmentVariable(RemoteOptions.host) != nil
        if isDistant, !detach { try prepareForDistance(&request) }
        let task = try await agent.start(request)
        for reason in task.notEnforced { print("dish: not enforced: \(reason)", to: .errors) }
        // What runs without a command is the image's business: its init, or its own command.
        if !detach, task.command != nil {
            try await isDistant ? followFromAfar(task, agent) : follow(task, agent)
        } else {
            try await report(task, agent)
        }
    }

    /// Refuses what can't be done without the task's own streams, before there is a task.
    private func prepareForDistance(_ request: inout TaskRequest) throws {
        if tty || interactive {
            _ = try AgentClient.local(to: "join a terminal or standard input to a command")
            try requireRoot(to: "join a terminal or standard input to a command")
        }
        if rm, command.isEmpty {
            _ = try AgentClient.local(to: "use --rm without --detach and without a command")
            try requireRoot(to: "use --rm without --detach and without a command")
        }
        request.attach = false
        // Not before what it printed was read.
        request.removeWhenDone = false
    }

    /// Prints what the agent reports of a command's output, and passes its exit code.
    private func followFromAfar(_ task: TaskStatus, _ agent: AgentClient) async throws {
        let style = ConsoleLogStyle(timestamps: false, raw: false)
        try await AgentConsole(agent: agent, task: task.id, style: style, times: .init()).print(follow: true, tail: nil)
        let ended = try await agent.wait(task.id, for: .exited, seconds: 60)
        if rm { try await agent.remove(task.id, force: true, purge: true) }
        guard let exit = ended.exit else {
            throw AgentError(.failed, "the task '\(task.name)' did not run: \(ended.reason ?? "it is \(ended.state.rawValue)")")
        }
        if exit.outOfMemory { print("dish: the task reached its memory limit and was killed", to: .errors) }
        throw ExitCode(CInt(exit.code ?? 128 + (exit.signal ?? 0)))
    }

    /// The image's name in the pool. One of a registry (`docker://…`) that isn't here yet is imported first.
    private func imageName() async throws -> String {
        guard image.hasPrefix("docker://") else { return image }
        let reference = try Reference(image)
        _ = try AgentClient.local(to: "import images")
        try requireRoot(to: "import images")
        let pool = try pool.openHolding()
        if (try? pool.resolve(reference.description)) == nil {
            let policy = try SignaturePolicy()
            _ = try await transferring { report in
                try await ImageImport(pool, RegistryOptions(), policy: policy, report: report).run(.registry(reference))
            }
        }
        return reference.description
    }

    /// Passes the command's output, input and exit code.
    private func follow(_ task: TaskStatus, _ agent: AgentClient) async throws {
        let (tty, interactive) = (tty, interactive)
        let exit = try await blocking {
            try AttachedSession(helper: task.paths.helper, terminal: tty, input: interactive).run()
        }
        if rm { try await agent.waitUntilRemoved(task.id, seconds: 60) }
        guard let exit else {
            throw AgentError(
                .failed, "the helper of task '\(task.name)' ended before its command; see: dish inspect \(task.name)")
        }
        if let message = exit.message { print("dish: \(message)", to: .errors) }
        if exit.outOfMemory { print("dish: the task reached its memory limit and was killed", to: .errors) }
        throw ExitCode(exit.status.shellCode)
    }

    /// Returns once the task is up: what comes next may count on it.
    private func report(_ started: TaskStatus, _ agent: AgentClient) async throws {
        let task: TaskStatus
        var isOver = false
        do {
            task = try await agent.wait(started.id, for: .running, seconds: bootTimeout)
        } catch let error as AgentError where error.code == .notFound && rm && started.command != nil {
            // Done, and removed as asked.
            (task, isOver) = (started, true)
        }
        // A command may be done by now; a booted system that has ended never came up.
        guard task.state == .running || started.command != nil && (isOver || task.state == .exited) else {
            let why = task.reason ?? "it is \(task.state.rawValue)\(task.state.hasEnded ? "" : " after \(bootTimeout) s")"
            throw AgentError(.failed, "the task '\(task.name)' did not come up: \(why); see: dish logs \(task.name)")
        }
        if json.json { try printJSON(task) } else { print(task.name, to: .output) }
    }

    private static func taskClass(_ text: String) throws -> TaskClass {
        guard let found = TaskClass(rawValue: text) else {
            throw ValidationError("--class '\(text)': choose guaranteed, burstable or best-effort.")
        }
        return found
    }

    private static func network(_ text: String) throws -> TaskRequest.Network {
        guard let network = TaskRequest.Network(rawValue: text) else {
            throw ValidationError("--network '\(text)': choose private, host or none.")
        }
        return network
    }
}
