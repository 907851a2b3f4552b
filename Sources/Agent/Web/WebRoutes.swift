import AgentAPI
import Hummingbird
import Layers
import Linux
import NIOCore

/// The web page, and what it needs that nobody else asks for (docs/web.md).
struct WebRoutes {
    let tasks: TaskManager
    let jobs: JobManager
    let map: PoolMapReader
    let listener: APIListener

    func add(to router: Router<AgentRequestContext>) {
        let (tasks, jobs, map) = (tasks, jobs, map)
        router.get("/") { request, _ in file("", request) }
        router.get("/web/:file") { request, context in file(context.parameters.get("file") ?? "", request) }
        router.get("/v1/pool/map") { _, _ in await answer { try await map.read() } }
        router.get("/v1/pool/devices") { _, _ in
            await answer {
                let registry = PoolRegistry(stateDirectory: tasks.configuration.stateDirectory)
                return try await blocking { try PoolReport(tasks.configuration.pool, in: registry) }
            }
        }
        let timelines = TimelineReader(tasks: tasks, share: .of(listener))
        router.get("/v1/timeline") { request, _ in
            let query = request.uri.queryParameters
            return await answer {
                try await timelines.moments(
                    of: try timeline(query), showing: query.get("path"), counts: query.get("counts") == "true")
            }
        }
        router.get("/v1/timeline/changes") { request, _ in
            let query = request.uri.queryParameters
            return await answer {
                try await timelines.changes(in: timeline(query), from: query.get("from") ?? "", to: query.get("to") ?? "")
            }
        }
        router.get("/v1/replicas") { _, _ in await answer { await jobs.list().map(JobReplicas.init) } }
        router.get("/v1/tasks/:name/console") { request, context in
            let query = request.uri.queryParameters
            let lines = max(1, min(query.get("lines", as: Int.self) ?? 200, 2000))
            return await answer {
                let path = try await tasks.console(of: name(context))
                let after = query.get("after")
                return try await blocking { try ConsoleTail(path).read(after: after, lines: lines) }
            }
        }
    }
}

/// The gate has seen that they are there, and right.
private func timeline(_ query: Parameters) throws(AgentError) -> TimelineReader.Subject {
    guard let kind = query.get("of").flatMap(TimelineReader.Subject.Kind.init), let name = query.get("name") else {
        throw AgentError(.invalid, "it is missing", at: "?of")
    }
    return TimelineReader.Subject(kind: kind, name: name)
}

/// An asset, or that the browser has it already.
private func file(_ name: String, _ request: Request) -> Response {
    guard let asset = WebAsset.all[name] else {
        return failure(AgentError(.notFound, "there is no file '\(name)' of the web page"))
    }
    var headers: HTTPFields = [.eTag: asset.tag, .cacheControl: "no-cache"]
    if request.headers[.ifNoneMatch] == asset.tag { return Response(status: .notModified, headers: headers) }
    headers[.contentType] = asset.type
    return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: asset.content)))
}

extension TaskManager {
    /// The path of the console log of a task, or of one that was removed and whose logs are kept.
    func console(of name: String) async throws -> String {
        do {
            return launcher.log(of: try find(name).intent.id)
        } catch let error as AgentError where error.code == .notFound {
            let pool = configuration.pool
            guard let task = try await blocking({ try pool.removedTask(name) }) else { throw error }
            return "\(pool.logs(ofRemoved: task))/console.log"
        }
    }
}

extension JobReplicas {
    init(_ job: JobStatus) {
        self.init(
            name: job.name, state: job.state, reason: job.reason, version: job.version, wanted: job.wanted, ready: job.ready,
            updated: job.updated)
    }
}
