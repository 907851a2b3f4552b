import AgentAPI
import Hummingbird

/// The API's part for images of registries (docs/packages.md).
struct PackageRoutes {
    let packages: PackageManager

    func add(to router: Router<AgentRequestContext>) {
        let packages = packages
        router.get("/v1/packages") { request, context in
            let query = request.uri.queryParameters
            let revision = query.get("after", as: UInt64.self)
            let seconds = query.get("seconds", as: Int.self) ?? 0
            return await answer {
                try await context.whileConnected { try await packages.status(after: revision, seconds: seconds) }
            }
        }
        router.post("/v1/packages") { request, _ in
            let waits = request.uri.queryParameters.get("wait") == "true"
            return await answer(waits ? .ok : .accepted) {
                try await packages.prepull(decode(PackageRequest.self, from: request), waits: waits)
                return await packages.status()
            }
        }
        router.delete("/v1/packages") { request, _ in
            let reference = request.uri.queryParameters.get("reference") ?? ""
            return await answer {
                try await packages.forget(reference)
                return Done()
            }
        }
    }
}
