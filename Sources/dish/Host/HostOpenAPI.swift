import AgentAPI
import ArgumentParser

struct HostOpenAPI: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "openapi", abstract: "Print the OpenAPI document of the agent's API.",
        discussion: """
            Examples:
              dish host openapi > dishd.json
            """)

    func run() async throws {
        print(String(decoding: try await AgentClient.host.document(), as: UTF8.self), to: .output)
    }
}
