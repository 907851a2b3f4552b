import AgentAPI

/// Everything that the API can be asked.
enum APIDescription {
    static let operations = tasks + jobs + secrets + packages + underWay + host + page

    /// - Parameter endpoint: a route as the router has it: `/v1/tasks/{name}`.
    static func operation(_ method: String, at endpoint: String) -> APIOperation? {
        operations.first { $0.path == endpoint && $0.method.rawValue == method.lowercased() }
    }

    /// The methods that a path takes, for `Allow`; none for a path that there isn't.
    static func methods(at path: String) -> [String] {
        operations.filter { $0.matches(path) }.map { $0.method.rawValue.uppercased() }.sorted()
    }

    /// What the document's components are called.
    static var objects: [String: APIObject] {
        let used = operations.flatMap { ($0.body.map { APISchema.object($0).objects } ?? []) + $0.answer.objects }
        return Dictionary((used + [.error, .operationStatus, .operationProgress]).map { ($0.name, $0) }) { first, _ in first }
    }

    private static let untilReady = APIField(
        "wait", .boolean, "Whether it is answered when all replicas are ready, or the version has failed.")
    private static let seconds = APIField("seconds", .integer(0...86400), "The longest wait.")

    private static let tasks: [APIOperation] = [
        APIOperation(.get, "/v1/tasks", "All tasks", .read, answer: .list(of: .object(.taskStatus), atMost: 100_000)),
        APIOperation(
            .post, "/v1/tasks", "Start a task; answers once its helper has it", .admin, body: .taskRequest, status: 201,
            answer: .object(.taskStatus)
        ).enforced().once().long(.taskStart),
        APIOperation(
            .get, "/v1/tasks/{name}", "A task, by name, id or the beginning of its id", .read, answer: .object(.taskStatus)),
        APIOperation(
            .delete, "/v1/tasks/{name}", "Remove a task and everything that is its own", .admin,
            query: [
                APIField("force", .boolean, "Whether one that runs is ended first."),
                APIField("purge", .boolean, "Whether its logs go with it."),
            ], answer: .object(.done)
        ).conditional().long(.taskRemove),
        APIOperation(
            .get, "/v1/tasks/{name}/wait", "Answers when the task has a state, or has ended", .read,
            query: [APIField("state", .word(TaskStatus.State.self), "The state; without it: exited."), seconds],
            answer: .object(.taskStatus)),
        APIOperation(
            .get, "/v1/tasks/{name}/wait-removed", "Answers when nothing of the task is left", .read, query: [seconds],
            answer: .object(.done)),
        APIOperation(
            .post, "/v1/tasks/{name}/stop", "End a task; answers when it has ended", .operate, body: .stopRequest,
            answer: .object(.taskStatus)
        ).long(.taskStop),
        APIOperation(
            .post, "/v1/tasks/{name}/start", "Start a task again that has ended", .operate, answer: .object(.taskStatus)
        ).long(.taskStart),
        APIOperation(
            .post, "/v1/tasks/{name}/restart", "End a task and start it again", .operate, body: .stopRequest,
            answer: .object(.taskStatus)
        ).long(.taskRestart),
        APIOperation(
            .post, "/v1/tasks/{name}/privileged-entry",
            "Record an event: somebody enters a task with all capabilities and no filter of system calls", .admin,
            answer: .object(.done)),
        APIOperation(
            .patch, "/v1/tasks/{name}/limits", "Change what a task may use, while it runs", .operate, body: .limitsChange,
            answer: .object(.taskStatus)
        ).enforced().conditional(),
        APIOperation(.get, "/v1/tasks/{name}/stats", "What a task uses", .read, answer: .object(.taskUsage)),
        APIOperation(
            .get, "/v1/tasks/{name}/snapshots", "A task's snapshots, oldest first", .read,
            answer: .list(of: .object(.snapshotStatus), atMost: 100_000)),
        APIOperation(
            .post, "/v1/tasks/{name}/snapshots", "Keep what is in a task's root file system now", .operate,
            body: .snapshotRequest, status: 201, answer: .object(.snapshotStatus)
        ).once(),
        APIOperation(
            .delete, "/v1/tasks/{name}/snapshots/{snapshot}", "Remove a snapshot", .operate, answer: .object(.done)),
        APIOperation(
            .post, "/v1/tasks/{name}/rollback", "Give a task the root file system that it had", .operate,
            body: .rollbackRequest, answer: .object(.taskStatus)
        ).long(.taskRollback),
    ]

    private static let jobs: [APIOperation] = [
        APIOperation(.get, "/v1/jobs", "All jobs", .read, answer: .list(of: .object(.jobStatus), atMost: 100_000)),
        APIOperation(.get, "/v1/jobs/{name}", "A job", .read, answer: .object(.jobStatus)),
        APIOperation(
            .put, "/v1/jobs/{name}", "Make a job as it is described; the same again changes nothing", .admin,
            query: [APIField("dry-run", .boolean, "Whether only to say what that would change."), untilReady], body: .jobSpec,
            answer: .object(.jobChange)
        ).enforced().conditional().long(.jobApply),
        APIOperation(
            .delete, "/v1/jobs/{name}", "End a job's replicas and forget it", .admin, answer: .object(.done)
        ).conditional().long(.jobRemove),
        APIOperation(
            .post, "/v1/jobs/{name}/wait", "Answers when the job is not any more as it is described", .read, query: [seconds],
            body: .jobStatus, answer: .object(.jobStatus)),
        APIOperation(
            .post, "/v1/jobs/{name}/stop", "End a job's replicas; answers when they have ended", .operate,
            answer: .object(.jobStatus)
        ).long(.jobStop),
        APIOperation(
            .post, "/v1/jobs/{name}/rollback", "Go back to an earlier version", .operate, query: [untilReady],
            body: .jobRollbackRequest, answer: .object(.jobChange)
        ).long(.jobRollback),
        APIOperation(
            .get, "/v1/jobs/{name}/history", "A job's versions, the newest first", .read,
            answer: .list(of: .object(.jobVersion), atMost: 100_000)),
    ]

    private static let secrets: [APIOperation] = [
        APIOperation(
            .get, "/v1/secrets", "Secrets that the host keeps, without their contents", .read,
            answer: .list(of: .object(.secretStatus), atMost: 100_000)),
        APIOperation(
            .put, "/v1/secrets/{name}", "Keep a secret, or replace it for tasks that start from now on", .admin,
            body: .secretRequest, answer: .object(.secretStatus)),
        APIOperation(.delete, "/v1/secrets/{name}", "Forget a secret that nothing is given", .admin, answer: .object(.done)),
    ]

    private static let packages: [APIOperation] = [
        APIOperation(
            .get, "/v1/packages", "Images of registries that the host fetches or has", .read,
            query: [APIField("after", .count, "Answers when the revision is another."), seconds],
            answer: .object(.packagesStatus)),
        APIOperation(
            .post, "/v1/packages", "Have images fetched", .operate,
            query: [APIField("wait", .boolean, "Whether it is answered when they are here or couldn't be fetched.")],
            body: .packageRequest, status: 202, answer: .object(.packagesStatus)
        ).long(.packagePull),
        APIOperation(
            .delete, "/v1/packages", "End the attempts to fetch an image", .operate,
            query: [APIField("reference", .text(1...1000), "The image.", required: true)], answer: .object(.done)),
    ]

    private static let underWay: [APIOperation] = [
        APIOperation(
            .get, "/v1/operations", "What is under way, and what has ended within the last hour", .read,
            answer: .list(of: .object(.operationStatus), atMost: 100_000)),
        APIOperation(.get, "/v1/operations/{id}", "An operation", .read, answer: .object(.operationStatus)),
        APIOperation(
            .get, "/v1/operations/{id}/wait", "Answers when the operation has ended", .read, query: [seconds],
            answer: .object(.operationStatus)),
        APIOperation(
            .delete, "/v1/operations/{id}", "Cancel an operation; nothing of it is left half-done", .operate,
            answer: .object(.operationStatus)),
    ]

    private static let host: [APIOperation] = [
        APIOperation(.get, "/v1/openapi.json", "This document", .read, answer: .any),
        APIOperation(.get, "/v1/agent", "The agent", .read, answer: .object(.agentStatus)),
        APIOperation(.get, "/v1/host", "What the host has, and what of it is set aside", .read, answer: .object(.hostCapacity)),
        APIOperation(.get, "/v1/heartbeat", "What the scheduler was last told", .read, answer: .object(.heartbeat)),
        APIOperation(
            .post, "/v1/host/drain", "End the replicas of jobs, and take no new tasks", .admin, body: .drainRequest,
            answer: .object(.hostCapacity)),
        APIOperation(.post, "/v1/host/undrain", "Take tasks again", .admin, answer: .object(.hostCapacity)),
        APIOperation(.get, "/v1/stats", "What the host and all running tasks use", .read, answer: .object(.hostUsage)),
        APIOperation(
            .get, "/v1/events", "What happened, and why", .read,
            query: [
                APIField("since", .integer(0...Int64.max), "Only events after that number."),
                APIField("last", .integer(0...Int64.max), "Only so many, the last ones."),
                APIField("from", .integer(Int64.min...Int64.max), "Not before that time, in milliseconds since 1970."),
                APIField("object", .text(0...200), "Only of that name or id."),
                APIField("follow", .boolean, "Whether it goes on without an end."),
            ], answer: .object(.event)
        ).stream(),
    ]

    private static let timeline = [
        APIField("of", .word(TimelineReader.Subject.Kind.self), "Whose past.", required: true),
        APIField("name", .text(1...4096), "Its name, id or label.", required: true),
    ]

    /// What the web page is made of, and what only it asks for.
    private static let page: [APIOperation] = [
        APIOperation(.get, "/", "The web page", .read, answer: .any).of("text/html; charset=utf-8"),
        APIOperation(.get, "/web/{file}", "What the web page is made of", .read, answer: .any)
            .of("text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"),
        APIOperation(.get, "/metrics", "For Prometheus", .read, answer: .any).of(MetricsText.contentType),
        APIOperation(.get, "/v1/pool/map", "What uses how much of the pool", .read, answer: .object(.poolMap)),
        APIOperation(
            .get, "/v1/pool/devices", "The pool's devices, and how its content is spread over them", .read,
            answer: .object(.poolReport)),
        APIOperation(
            .get, "/v1/timeline", "The moments of a task, volume or image, oldest first", .read,
            query: timeline + [
                APIField("counts", .boolean, "Whether to count what changed from each to the next; takes time."),
                APIField("path", .text(1...4096), "What it had at each of them."),
            ], answer: .list(of: .object(.timelineMoment), atMost: 100_000)),
        APIOperation(
            .get, "/v1/timeline/changes", "What changed between two moments", .read,
            query: timeline + [
                APIField("from", .text(1...4096), "The first.", required: true),
                APIField("to", .text(1...4096), "The second.", required: true),
            ], answer: .object(.timelineChanges)),
        APIOperation(
            .get, "/v1/replicas", "How jobs are", .read, answer: .list(of: .object(.jobReplicas), atMost: 100_000)),
        APIOperation(
            .get, "/v1/tasks/{name}/console", "What a task has written to its console", .read,
            query: [
                APIField(
                    "after", .text(0...100),
                    "The cursor of an earlier answer, or `start` for all that is kept; empty for the last lines."),
                APIField("lines", .integer(1...2000), "How many of the last ones, without a cursor."),
            ], answer: .object(.consoleLines)),
    ]
}
