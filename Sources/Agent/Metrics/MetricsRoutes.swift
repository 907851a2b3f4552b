import AgentAPI
import Glibc
import Hummingbird
import Layers
import Linux
import NIOCore

/// `GET /metrics`, for Prometheus (docs/metrics.md).
struct MetricsRoutes {
    let agent: AgentStatus
    let tasks: TaskManager
    let jobs: JobManager
    let requests: RequestMetrics

    func add(to router: Router<AgentRequestContext>) {
        let routes = self
        router.get("/metrics") { _, _ in
            do {
                let text = try await routes.snapshot().text()
                return Response(
                    status: .ok, headers: [.contentType: MetricsText.contentType],
                    body: .init(byteBuffer: ByteBuffer(bytes: text)))
            } catch {
                return failure(AgentError(.failed, "read the metrics: \(error)"))
            }
        }
    }

    /// A pool that can't be read is left out: the rest is wanted then more than ever.
    private func snapshot() async throws -> MetricsSnapshot {
        let path = agent.pool
        let registry = PoolRegistry(stateDirectory: self.tasks.configuration.stateDirectory)
        let (pool, ticks) = try await blocking {
            (try? PoolFigures.read(Pool(at: path), in: registry), HostResources.cpuTicks()?.used)
        }
        let (host, tasks) = try await tasks.figures()
        return MetricsSnapshot(
            agent: agent, process: .current(), host: host,
            cpuTime: ticks.map { Double($0) / Double(sysconf(CInt(_SC_CLK_TCK))) }, pool: pool, tasks: tasks,
            jobs: await jobs.list(), events: self.tasks.events.counts, requests: requests.totals)
    }
}

extension TaskManager {
    /// All tasks, with what those use that haven't ended.
    func figures() async throws -> (host: HostCapacity, tasks: [MetricsSnapshot.TaskFigures]) {
        let all = tasks.values.sorted { ($0.intent.created, $0.intent.name) < ($1.intent.created, $1.intent.name) }
        let told = all.map { MetricsSnapshot.TaskFigures(status: describe($0), runs: $0.generation, usage: nil) }
        let usage = try await usage()
        let byID = Dictionary(uniqueKeysWithValues: usage.tasks.map { ($0.id, $0) })
        return (
            usage.host,
            told.map { task in
                var task = task
                task.usage = byID[task.status.id]
                return task
            }
        )
    }
}
