import AgentAPI
import Hummingbird

/// The API's part for the host as a whole: its scheduler, and whether it takes tasks (docs/heartbeat.md).
struct HostRoutes {
    let tasks: TaskManager
    let heartbeat: SchedulerHeartbeat
    let drain: HostDrain

    func add(to router: Router<AgentRequestContext>) {
        let (heartbeat, drain) = (heartbeat, drain)
        router.get("/v1/host") { _, _ in await answer { try await host() } }
        router.get("/v1/heartbeat") { _, _ in await answer { try await heartbeat.current() } }
        router.post("/v1/host/drain") { request, context in
            await answer {
                try await drain.drain(decode(DrainRequest.self, from: request), because: context.because())
                return try await host()
            }
        }
        router.post("/v1/host/undrain") { _, context in
            await answer {
                try await drain.undrain(because: context.because())
                return try await host()
            }
        }
    }

    private func host() async throws -> HostCapacity {
        var host = try await tasks.host()
        host.scheduler = await heartbeat.status()
        host.drain = await drain.status
        return host
    }
}
