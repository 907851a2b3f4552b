public import Glibc
import Linux

/// An installation of Butterdish beside others: state, sockets, bridge and addresses of its own.
public final class TestHost: Sendable {
    public let stateDirectory: String
    public let runtimeDirectory: String
    public let bridge: String
    public let subnet: String
    /// What `dish` is told by default.
    public let pool: String?
    /// Variables of the programs beyond the plain ones.
    public let environment: [String: String]

    /// What the agent is told beyond the plain.
    public let agentOptions: [String]
    /// The path of the network namespace in which the agent runs; nil for the host's.
    public let networkNamespace: String?

    /// - Parameters:
    ///   - pool: its path; nil when the test makes one.
    ///   - networkNamespace: the path of the one in which the agent runs; nil for the host's.
    public init(
        pool: String? = nil, environment: [String: String] = [:], agentOptions: [String] = [], networkNamespace: String? = nil
    ) throws {
        self.agentOptions = agentOptions
        self.networkNamespace = networkNamespace
        let number = UInt32.random(in: 0 ... .max)
        let name = String(number, radix: 36)
        stateDirectory = try Scratch.make("state")
        // Sockets' paths are short; it lies below the scratch directory's mount of nothing else.
        runtimeDirectory = try Scratch.make("run")
        bridge = "dt\(name)"
        subnet = try FreeNetwork.ipv4()
        self.pool = pool
        self.environment = environment
    }

    private var variables: [String: String] {
        var all = Spawn.plainEnvironment
        all["DISH_STATE_DIR"] = stateDirectory
        all["DISH_RUN_DIR"] = runtimeDirectory
        if let pool { all["DISH_POOL"] = pool }
        // Tests' workspaces come and go in one pool.
        all["DISH_TAKE_LABELS"] = "1"
        for name in ["http_proxy", "https_proxy", "no_proxy"] {
            if let value = getenv(name) { all[name] = String(cString: value) }
        }
        return all.merging(environment) { $1 }
    }

    private func spawn(_ arguments: [String], in directory: String?) -> Spawn {
        var spawn = Spawn(Programs.path("dish"), arguments, environment: variables)
        spawn.directory = directory
        return spawn
    }

    /// Runs `dish` to its end.
    public func dish(_ arguments: String..., in directory: String? = nil, input: String = "") async throws -> Outcome {
        try await dish(arguments: arguments, in: directory, input: input)
    }

    /// - Parameter program: another program, with the first of its arguments, which is given `dish` and its arguments.
    public func dish(
        arguments: [String], in directory: String? = nil, input: String = "", under program: [String] = []
    ) async throws -> Outcome {
        var spawn = spawn(arguments, in: directory)
        if let first = program.first {
            spawn.arguments = program.dropFirst() + [spawn.program] + arguments
            spawn.program = first
        }
        var command = Command(spawn)
        command.input = Array(input.utf8)
        return Outcome(try await command.run())
    }

    /// Starts `dish` and returns its process id; whoever starts it waits for it.
    public func start(_ arguments: String..., in directory: String? = nil) throws -> pid_t {
        try spawn(arguments, in: directory).start()
    }

    /// Starts `dish` on a terminal, which is its input, output and errors.
    ///
    /// - Parameter program: another program, with the first of its arguments, which is given `dish` and its arguments.
    public func start(
        _ arguments: [String], on terminal: CInt, in directory: String? = nil, under program: [String] = []
    ) throws -> pid_t {
        var spawn = spawn(arguments, in: directory)
        if let first = program.first {
            spawn.arguments = program.dropFirst() + [spawn.program] + arguments
            spawn.program = first
        }
        spawn.environment["TERM"] = "xterm"
        spawn.descriptors = [terminal, terminal, terminal]
        return try spawn.start()
    }

    /// Starts the agent and waits until it answers.
    ///
    /// - Parameters:
    ///   - arguments: more of them.
    ///   - programs: the directory of `dishd` and `dish-helper`; nil for where those under test are.
    public func startAgent(_ arguments: [String] = [], programs: String? = nil) async throws -> TestAgent {
        var spawn = Spawn(
            programs.map { "\($0)/dishd" } ?? Programs.path("dishd"),
            ["--bridge", bridge, "--subnet", subnet, "--min-ready", "0"] + agentOptions + arguments, environment: variables)
        let log = try OwnedFD.open("\(stateDirectory)/dishd.log", O_WRONLY | O_CREAT | O_APPEND)
        spawn.descriptors = [-1, log.number, log.number]
        spawn.networkNamespace = networkNamespace
        let agent = TestAgent(pid: try spawn.start(), host: self)
        for _ in 0..<200 {
            if try await dish("ps").code == 0 { return agent }
            guard waitpid(agent.pid, nil, WNOHANG) == 0 else { throw FixtureError("the agent has ended:\n\(agentLog)") }
            try await Task.sleep(for: .milliseconds(50))
        }
        agent.kill()
        throw FixtureError("the agent doesn't answer:\n\(agentLog)")
    }

    /// What the agents of this host logged.
    public var agentLog: String { (try? Files.readText("\(stateDirectory)/dishd.log")) ?? "" }

    /// Runs a body with an agent; afterwards no task of it is left, whatever happened.
    ///
    /// - Parameters:
    ///   - arguments: more of the agent's.
    ///   - programs: the directory of `dishd` and `dish-helper`; nil for where those under test are.
    public func withAgent<Result>(
        _ arguments: [String] = [], programs: String? = nil, _ body: (TestAgent) async throws -> Result
    ) async throws -> Result {
        let agent = try await startAgent(arguments, programs: programs)
        do {
            let result = try await body(agent)
            try await cleanUp()
            return result
        } catch {
            try? await cleanUp()
            throw error
        }
    }

    private func cleanUp() async throws {
        // The test may have killed its agent and started another.
        if try await dish("ps").code != 0 { _ = try await startAgent() }
        // The agent would replace what is removed of a job.
        for file in (try? Files.list("\(stateDirectory)/jobs")) ?? [] where file.hasSuffix(".json") {
            _ = try await dish("job", "rm", "--force", String(file.dropLast(5)))
        }
        let names = try await dish("ps", "--json").output.matches(of: /"name" : "([^"]+)"/).map { String($0.1) }
        for name in names { _ = try await dish("rm", "--force", name) }
        for process in Inventory.processes(mentioning: "--bridge \(bridge)") {
            Glibc.kill(process.pid, SIGTERM)
            for _ in 0..<400 where Glibc.kill(process.pid, 0) == 0 {
                waitpid(process.pid, nil, WNOHANG)
                try await Task.sleep(for: .milliseconds(25))
            }
        }
    }
}

/// A running `dishd`.
public struct TestAgent: Sendable {
    public let pid: pid_t
    public let host: TestHost

    /// `kill -9`.
    public func kill() {
        Glibc.kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}

/// Why a test can't be set up.
public struct FixtureError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
