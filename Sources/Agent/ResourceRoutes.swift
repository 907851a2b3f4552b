import AgentAPI
import FoundationEssentials
import Hummingbird

/// The requests about what tasks may use, and do use.
extension AgentServer {
    func addResourceRoutes(_ router: Router<AgentRequestContext>) {
        let tasks = tasks
        router.get("/v1/stats") { _, _ in await answer { try await tasks.usage() } }
        router.get("/v1/tasks/:name/stats") { _, context in
            await answer { try await tasks.usage(of: name(context)) }
        }
        router.patch("/v1/tasks/:name/limits") { request, context in
            await answer {
                try await tasks.update(
                    name(context), decode(LimitsChange.self, from: request), because: context.because(),
                    if: context.precondition)
            }
        }
    }
}
