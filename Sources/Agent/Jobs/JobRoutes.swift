import AgentAPI
import Hummingbird
import Spec

/// The API's part for jobs (docs/architecture.md, "The agent's API").
struct JobRoutes {
    let jobs: JobManager

    func add(to router: Router<AgentRequestContext>) {
        let jobs = jobs
        router.get("/v1/jobs") { _, _ in await answer { await jobs.list() } }
        router.get("/v1/jobs/:name") { _, context in await answer { try await jobs.status(name(context)) } }
        router.put("/v1/jobs/:name") { request, context in
            let isDryRun = request.uri.queryParameters.get("dry-run") == "true"
            let untilReady = request.uri.queryParameters.get("wait") == "true"
            return await answer {
                let spec = try await decode(JobSpec.self, from: request)
                let name = try name(context)
                guard spec.name == name else {
                    throw AgentError(.invalid, "job '\(name)': name: is '\(spec.name)', unlike the path's", field: "name")
                }
                return try await jobs.apply(
                    spec, dryRun: isDryRun, because: context.because(), untilReady: untilReady, if: context.precondition)
            }
        }
        router.post("/v1/jobs/:name/wait") { request, context in
            let seconds = request.uri.queryParameters.get("seconds", as: Int.self) ?? 60
            return await answer {
                let known = try await decode(JobStatus.self, from: request)
                let name = try name(context)
                return try await context.whileConnected { try await jobs.wait(name, seconds: seconds) { $0 != known } }
            }
        }
        router.post("/v1/jobs/:name/stop") { _, context in
            await answer { try await jobs.stop(name(context), because: context.because()) }
        }
        router.post("/v1/jobs/:name/rollback") { request, context in
            let untilReady = request.uri.queryParameters.get("wait") == "true"
            return await answer {
                let version = try await decode(JobRollbackRequest.self, from: request).version
                return try await jobs.rollBack(
                    name(context), to: version, untilReady: untilReady, because: context.because())
            }
        }
        router.get("/v1/jobs/:name/history") { _, context in await answer { try await jobs.history(name(context)) } }
        router.delete("/v1/jobs/:name") { _, context in
            await answer {
                try await jobs.remove(name(context), because: context.because(), if: context.precondition)
                return Done()
            }
        }
    }
}
