import AgentAPI
import ArgumentParser
import Linux

struct HostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "This host.",
        subcommands: [
            HostShow.self, HostList.self, HostPrepull.self, HostPackages.self, HostDrain.self, HostUndrain.self,
            HostHeartbeatCommand.self, HostDoctor.self, HostOpenAPI.self,
        ])
}

struct HostDoctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check what tasks and builds need of this host, and say how to fix what is missing.",
        discussion: """
            Changes nothing. What is missing makes it end with 1; a warning says what will be refused, and doesn't.

            Examples:
              dish host doctor
              dish host doctor --json
            """)

    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        let checks =
            HostCheck.ofKernel() + HostCheck.ofPrograms() + HostCheck.ofCgroups() + HostCheck.ofPools(pool.requested)
            + [await agent()] + (await images())
        if json.json {
            try printJSON(checks)
        } else {
            printTable(["", "CHECK", "FOUND"], checks.map { [$0.result.rawValue, $0.name, $0.found] })
            for check in checks { if let advice = check.advice { print(oneLine("\(check.name): \(advice)"), to: .output) } }
        }
        if checks.contains(where: { $0.result == .missing }) { throw ExitCode(1) }
    }

    /// What the agent says of room for images; nothing where there is none.
    private func images() async -> [HostCheck] {
        guard let pool = try? await AgentClient.host.packages().pool else { return [] }
        let found = "the pool is \(pool.percent) % full, images are collected above \(pool.high) %"
        return [
            HostCheck("images", pool.isFull ? .warning : .ok, found, "pulls are refused: \(pool.reason ?? "")")
        ]
    }

    private func agent() async -> HostCheck {
        do {
            let status = try await AgentClient.host.status()
            return HostCheck("agent", .ok, "version \(status.version), process \(status.pid), pool \(status.pool)")
        } catch {
            return HostCheck("agent", .warning, "\(error)", "images can be built without; tasks need it")
        }
    }
}
