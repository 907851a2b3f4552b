import AgentAPI
import FoundationEssentials
import Hummingbird
import NIOCore

/// The requests about a task's life.
extension AgentServer {
    func addTaskRoutes(_ router: Router<AgentRequestContext>) {
        let tasks = tasks
        router.post("/v1/tasks/:name/start") { _, context in
            await answer { try await tasks.startAgain(name(context), because: context.because()) }
        }
        router.post("/v1/tasks/:name/restart") { request, context in
            await answer {
                let timeout = try await decode(StopRequest.self, from: request).timeout
                return try await tasks.restart(name(context), timeout: timeout, because: context.because())
            }
        }
        router.post("/v1/tasks/:name/privileged-entry") { _, context in
            await answer {
                try await tasks.notePrivilegedEntry(name(context), because: context.because())
                return Done()
            }
        }
        router.get("/v1/tasks/:name/snapshots") { _, context in
            await answer { try await tasks.snapshots(name(context)) }
        }
        router.post("/v1/tasks/:name/snapshots") { request, context in
            await answer(.created) {
                let wanted = try await decode(SnapshotRequest.self, from: request).name
                // Under an idempotency key it may have been made before its answer was.
                if let reserved = context.reservedName {
                    let (task, called) = (try name(context), wanted ?? "made-\(reserved)")
                    if wanted == nil, let made = try await tasks.snapshots(task).first(where: { $0.name == called }) {
                        return made
                    }
                    return try await tasks.snapshot(task, as: called, because: context.because())
                }
                return try await tasks.snapshot(name(context), as: wanted, because: context.because())
            }
        }
        router.delete("/v1/tasks/:name/snapshots/:snapshot") { _, context in
            await answer {
                let snapshot = context.parameters.get("snapshot") ?? ""
                try await tasks.removeSnapshot(snapshot, of: name(context), because: context.because())
                return Done()
            }
        }
        router.post("/v1/tasks/:name/rollback") { request, context in
            await answer {
                let wanted = try await decode(RollbackRequest.self, from: request)
                return try await tasks.rollBack(
                    name(context), to: wanted.snapshot, toImage: wanted.image, timeout: wanted.timeout,
                    because: context.because())
            }
        }
        router.get("/v1/events") { request, context in try await events(request, context) }
    }

    /// One JSON object a line; with `follow=true` without an end.
    private func events(_ request: Request, _ context: AgentRequestContext) async throws -> Response {
        let query = request.uri.queryParameters
        let log = tasks.events
        // Numbers have no gaps, so the last so many are those after a number.
        let last = query.get("last", as: UInt64.self).map { log.last - min($0, log.last) } ?? 0
        let since = max(query.get("since", as: UInt64.self) ?? 0, last)
        let from = query.get("from", as: Int64.self) ?? .min
        let object = query.get("object")
        let follows = query.get("follow") == "true"
        let selected: @Sendable ([AgentEvent]) throws -> ByteBuffer = { batch in
            let chosen = batch.filter { object == nil || $0.name == object || $0.id == object }
            return ByteBuffer(bytes: try chosen.flatMap(EventFiles.line))
        }
        let body: ResponseBody
        if follows {
            let client = try await context.client()
            body = ResponseBody { writer in
                for try await batch in log.follow(after: since, from: from, until: { try await client.departure() }) {
                    // An empty line now and then would tell a reader nothing; it shows here that it is gone.
                    let lines = try selected(batch)
                    try await writer.write(lines.readableBytes > 0 ? lines : ByteBuffer(string: "\n"))
                }
                try await writer.finish(nil)
            }
        } else {
            do {
                body = ResponseBody(byteBuffer: try selected(try await log.events(after: since, from: from)))
            } catch {
                return failure(AgentError(.failed, "read events: \(error)"))
            }
        }
        return Response(status: .ok, headers: [.contentType: "application/x-ndjson"], body: body)
    }
}
