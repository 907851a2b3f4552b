import AgentAPI
import ArgumentParser
import Manifest
import Spec

struct JobList: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List jobs.")

    @OptionGroup var json: JSONOption

    func run() async throws {
        let jobs = try await AgentClient.host.jobs()
        if json.json { return try printJSON(jobs) }
        printTable(
            ["NAME", "VERSION", "STATE", "READY", "PORTS", "IMAGE"],
            jobs.map { job in
                let ports = job.spec.task.publish
                return [
                    job.name, "\(job.version)", job.state.rawValue, "\(job.ready)/\(job.wanted)",
                    ports.isEmpty ? "-" : ports.map(\.description).joined(separator: " "), job.spec.task.image,
                ]
            })
    }
}

/// Which job a command is about.
struct JobArgument: ParsableArguments {
    @Argument(help: "A job's name.", completion: .job)
    var job: String
}

struct JobShow: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything about a job, as JSON.")

    @OptionGroup var name: JobArgument
    @Flag(help: .hidden)
    var json = false

    func run() async throws { try printJSON(try await AgentClient.host.job(name.job)) }
}

struct JobHistory: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "List the versions of a job, the newest first.")

    @OptionGroup var name: JobArgument
    @OptionGroup var json: JSONOption

    func run() async throws {
        let versions = try await AgentClient.host.history(job: name.job)
        if json.json { return try printJSON(versions) }
        printTable(
            ["VERSION", "MADE", "OUTCOME", "IMAGE", "REASON"],
            versions.map { version in
                let outcome = version.outcomeReason.map { "; it failed: \($0)" } ?? ""
                return [
                    "\(version.number)", age(version.created), version.outcome.rawValue, version.spec.task.image,
                    printable(version.reason + outcome),
                ]
            })
    }
}

struct JobSchema: ParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the language of jobs as a JSON Schema.",
        discussion: """
            For editors that complete and check YAML files. With --reference, the same as tables in Markdown.

            Example: dish job schema > jobs.schema.json
            """)

    @Flag(help: "Print tables in Markdown instead.")
    var reference = false

    func run() { print(reference ? Reference.jobs : JSONSchema.jobs, to: .output) }
}
