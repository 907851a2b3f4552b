import AgentAPI
import ArgumentParser

struct HostPrepull: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepull", abstract: "Have the agent fetch images of registries before they are needed.",
        discussion: """
            What is here already isn't fetched again, but with --always. It ends when all are here, or when attempts at one have failed:
            two of them, or one where another would change nothing. What may still work the agent goes on with, also after it was
            restarted; 'dish host packages' tells, and ends that.

            Examples:
              dish host prepull registry.example/web:2
              dish host prepull --detach registry.example/web:2 registry.example/db:14
            """)

    @Argument(help: "HOST[:PORT]/NAME[:TAG][@DIGEST]")
    var references: [String]
    @Flag(help: "Fetch also what is here: a tag may mean something else by now.")
    var always = false
    @Flag(name: .shortAndLong, help: "Don't wait.")
    var detach = false
    @OptionGroup var json: JSONOption

    /// Of each image, before nobody waits any more.
    private static let attempts = 2

    func run() async throws {
        let agent = try AgentClient.host
        var status = try await agent.prepull(PackageRequest(references: references, always: always))
        var shown: [String: String] = [:]
        while !detach {
            let mine = status.packages.filter { wanted($0.reference) }
            for image in mine {
                let line = "\(image.reference): \(image.state.rawValue)\(image.explanation.map { " (\($0))" } ?? "")"
                if !json.json, image.state != .queued, shown.updateValue(line, forKey: image.reference) != line {
                    print(printable(line), to: .errors)
                }
            }
            if let failed = mine.first(where: { $0.state == .failed }) {
                throw AgentError(.failed, "pull '\(failed.reference)': \(failed.reason ?? "it failed")")
            }
            if status.pool.isFull, let refused = mine.first(where: { $0.state == .waiting }) {
                throw AgentError(.insufficient, "pull '\(refused.reference)': \(refused.reason ?? "the pool is full")")
            }
            if let refused = mine.first(where: { $0.state == .waiting && $0.attempts >= Self.attempts }) {
                throw AgentError(
                    .failed,
                    "pull '\(refused.reference)': \(refused.reason ?? "it failed"); the agent tries on, until: dish host packages --forget \(refused.reference)"
                )
            }
            if mine.allSatisfy({ $0.state == .present }) { break }
            status = try await agent.packages(after: status.revision, seconds: 5)
        }
        if json.json { try printJSON(status.packages.filter { wanted($0.reference) }) }
    }

    /// The agent names them without a scheme and with their tags.
    private func wanted(_ name: String) -> Bool {
        references.contains { text in
            let bare = text.hasPrefix("docker://") ? String(text.dropFirst(9)) : text
            return bare == name || "\(bare):latest" == name
        }
    }
}
