import AgentAPI
import Hummingbird

/// The API's part for operations (docs/architecture.md, "Operations").
struct OperationRoutes {
    let operations: Operations

    func add(to router: Router<AgentRequestContext>) {
        let operations = operations
        router.get("/v1/operations") { _, _ in await answer { await operations.list() } }
        router.get("/v1/operations/:id") { _, context in
            await answer { try await operations.find(id(context)).status }
        }
        router.get("/v1/operations/:id/wait") { request, context in
            let seconds = request.uri.queryParameters.get("seconds", as: Int.self) ?? 60
            return await answer {
                let operation = try await operations.find(id(context))
                try await context.whileConnected {
                    try await operation.wait(until: .now + .seconds(max(0, min(seconds, 86400))))
                }
                return operation.status
            }
        }
        router.delete("/v1/operations/:id") { _, context in
            await answer { try await operations.cancel(id(context), by: context.caller?.name ?? "somebody") }
        }
    }

    private func id(_ context: AgentRequestContext) -> String { context.parameters.get("id") ?? "" }
}
