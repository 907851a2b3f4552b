import AgentAPI
import ArgumentParser
import Linux
import Manifest
import Spec

/// Files of jobs, as arguments.
struct JobFileOptions: ParsableArguments {
    @Argument(help: "Files of jobs; '-' is standard input.", completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    /// All jobs of the files, each after those it depends on.
    func read() throws -> [JobDefinition] {
        var jobs: [JobDefinition] = []
        for file in files {
            let text = file == "-" ? try Files.readText("/dev/stdin") : try Files.readText(file)
            jobs += try JobFile(text, file: file).jobs
        }
        return try JobFile.ordered(jobs)
    }
}

/// What the agent says is wrong with a job, with the place where it is written.
func placed<Result>(_ job: JobDefinition, _ body: () async throws -> Result) async throws -> Result {
    do {
        return try await body()
    } catch let error as AgentError where error.code != .failed {
        throw AgentError(error.code, "\(job.name.place): \(error.message)")
    }
}
