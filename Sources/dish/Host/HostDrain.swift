import AgentAPI
import ArgumentParser

struct HostDrain: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Let nothing new begin on this host, and end the replicas of its jobs.",
        discussion: """
            Tasks that people started run on. It is remembered until 'dish host undrain', over restarts of agent and host.

            Examples:
              dish host drain --reason 'a new disk'
              dish host undrain
            """)

    @Option(help: "Why, for whoever finds it so.")
    var reason: String?
    @Flag(name: .shortAndLong, help: "Don't wait until the replicas have ended.")
    var detach = false
    @OptionGroup var json: JSONOption

    func run() async throws {
        let agent = try AgentClient.host
        let host = try await agent.drain(reason: reason)
        if !detach {
            for job in try await agent.jobs() {
                var status = job
                while !status.replicas.isEmpty { status = try await agent.wait(status, seconds: 60) }
            }
        }
        if json.json { try printJSON(host) }
    }
}

struct HostUndrain: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "Let tasks begin on this host again, and start the replicas of its jobs.")

    @OptionGroup var json: JSONOption

    func run() async throws {
        let host = try await AgentClient.host.undrain()
        if json.json { try printJSON(host) }
    }
}

struct HostHeartbeatCommand: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "heartbeat", abstract: "Show what the host's scheduler is told, as JSON.")

    @Flag(help: .hidden)
    var json = false

    func run() async throws { try printJSON(try await AgentClient.host.heartbeat()) }
}
