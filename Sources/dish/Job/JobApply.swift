import AgentAPI
import ArgumentParser
import Manifest
import Spec

struct JobApply: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Make jobs as files describe them.",
        discussion: """
            Applying the same again changes nothing. Jobs that others depend on come first. Without --detach it waits until
            all replicas are ready, and fails when a new version was rolled back.

            Examples:
              dish job apply jobs.yaml
              dish job apply --detach web.yaml db.yaml
              dish job apply --background web.yaml      prints an id for: dish operation wait, dish operation cancel
            """)

    @OptionGroup var files: JobFileOptions
    @Flag(name: .shortAndLong, help: "Don't wait until the replicas are ready.")
    var detach = false
    @OptionGroup var background: BackgroundOption
    @OptionGroup var json: JSONOption

    func run() async throws {
        let agent = try AgentClient.host
        let jobs = try files.read()
        if background.background {
            guard jobs.count == 1, let job = jobs.first else {
                throw AgentError(
                    .invalid, "--background takes one job at a time, not \(jobs.count): others may need it to be there")
            }
            return print(try await placed(job) { try await agent.applyInBackground(job.spec) }.id, to: .output)
        }
        var changes: [JobChange] = []
        for job in jobs {
            let change = try await placed(job) { try await agent.apply(job.spec) }
            if !json.json { change.print(wouldBe: false) }
            changes.append(change)
        }
        if !detach {
            for change in changes {
                try await JobWatch(agent, change.name, isQuiet: json.json).untilSettled(version: change.version)
            }
        }
        if json.json { try printJSON(changes) }
    }
}

struct JobDiff: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Say what applying files would change.",
        discussion: """
            Example: dish job diff jobs.yaml
            """)

    @OptionGroup var files: JobFileOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        let agent = try AgentClient.host
        var changes: [JobChange] = []
        let jobs = try files.read()
        for job in jobs {
            var spec = job.spec
            // What they depend on may be new in the same files.
            let missing = changes.filter { $0.kind == .created }.map(\.name)
            spec.dependsOn.removeAll { missing.contains($0.job) }
            changes.append(try await placed(job) { try await agent.apply(spec, dryRun: true) })
        }
        if json.json { return try printJSON(changes) }
        for change in changes { change.print(wouldBe: true) }
    }
}

extension JobChange {
    /// For people.
    func print(wouldBe: Bool) {
        let would = wouldBe ? "would be " : ""
        switch kind {
        case .unchanged: dish.print("\(name): unchanged, version \(version)", to: .output)
        case .created: dish.print("\(name): \(would)created, version \(version)", to: .output)
        case .started: dish.print("\(name): \(would)started again, version \(version)", to: .output)
        case .changed:
            let what = replacesReplicas ? "replaces its replicas" : "keeps its replicas"
            dish.print("\(name): \(would)changed to version \(version), which \(what)", to: .output)
        }
        guard kind == .changed else { return }
        for field in fields {
            dish.print("  \(field.path): \(field.from ?? "nothing") -> \(field.to ?? "nothing")", to: .output)
        }
    }
}
