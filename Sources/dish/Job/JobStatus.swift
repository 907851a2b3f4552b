import AgentAPI
import ArgumentParser

struct JobStatusCommand: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how a job and its replicas are.",
        discussion: """
            Examples:
              dish job status web
              dish job status web --wait      until all replicas are ready; fails when that isn't to be expected
              dish job status web --follow    each change, until it is interrupted
            """)

    @OptionGroup var name: JobArgument
    @Flag(help: "Return once all replicas are ready.")
    var wait = false
    @Flag(help: "Show each change.")
    var follow = false
    @OptionGroup var json: JSONOption

    func validate() throws {
        if wait, follow { throw ValidationError("--wait and --follow exclude each other.") }
    }

    func run() async throws {
        let agent = try AgentClient.host
        let watch = JobWatch(agent, name.job, isQuiet: json.json)
        if follow {
            if !json.json { return try await watch.follow { _ in false } }
            return try await watch.follow { status in
                try printJSON(status)
                return false
            }
        }
        if wait { try await watch.untilSettled(version: try await agent.job(name.job).version) }
        let status = try await agent.job(name.job)
        if json.json { return try printJSON(status) }
        print(printable(status.line), to: .output)
        printTable(
            ["REPLICA", "VERSION", "STATE", "READY", "ADDRESS", "REASON"],
            status.replicas.map { replica in
                [
                    replica.name, "\(replica.version)", replica.isLeaving ? "leaving" : replica.state.rawValue,
                    replica.isReady ? "yes" : "no", replica.address ?? "-", printable(replica.reason ?? "-"),
                ]
            })
    }
}
