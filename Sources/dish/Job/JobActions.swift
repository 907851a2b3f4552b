import AgentAPI
import ArgumentParser

struct JobStop: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "End a job's replicas; 'dish job apply' starts them again.")

    @OptionGroup var name: JobArgument
    @OptionGroup var background: BackgroundOption

    func run() async throws {
        if background.background {
            return print(try await AgentClient.host.stopInBackground(job: name.job).id, to: .output)
        }
        _ = try await AgentClient.host.stop(job: name.job)
    }
}

struct JobRemove: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "End a job's replicas and forget it.",
        discussion: """
            Examples:
              dish job rm web
              dish job rm --force web old-web        one that isn't there is no error
            """)

    @Argument(help: "Names of jobs.", completion: .job)
    var jobs: [String]
    @OptionGroup var missing: MissingOption

    func run() async throws {
        try await forEach(jobs) { job in
            try await missing.accepting { try await AgentClient.host.remove(job: job) }
        }
    }
}

struct JobRollback: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Go back to an earlier version of a job.",
        discussion: """
            Examples:
              dish job rollback web       the last healthy version before this one
              dish job rollback web 3
            """)

    @OptionGroup var name: JobArgument
    @Argument(help: "The version (default: the last healthy one before this one).")
    var version: Int?
    @Flag(name: .shortAndLong, help: "Don't wait until the replicas are ready.")
    var detach = false
    @OptionGroup var background: BackgroundOption
    @OptionGroup var json: JSONOption

    func run() async throws {
        let agent = try AgentClient.host
        if background.background {
            return print(try await agent.rollbackInBackground(job: name.job, to: version).id, to: .output)
        }
        let change = try await agent.rollback(job: name.job, to: version)
        if !json.json { change.print(wouldBe: false) }
        if !detach {
            try await JobWatch(agent, name.job, isQuiet: json.json).untilSettled(version: change.version)
        }
        if json.json { try printJSON(change) }
    }
}
