public import AgentAPI
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Linux
public import Logging
import NIOCore
import Spec

/// The API: HTTP and JSON on a Unix socket, and over TLS where that is asked for (docs/architecture.md, "The agent's API").
public struct AgentServer: Sendable {
    private let socket: APISocket
    private let tls: TLSListener?
    private let status: AgentStatus
    let tasks: TaskManager
    private let jobs: JobManager
    let packages: PackageManager
    private let heartbeat: SchedulerHeartbeat
    private let drain: HostDrain
    private let secrets: SecretStore
    private let keys: IdempotencyKeys
    private let operations: Operations
    private let logger: Logger
    private let requests = RequestMetrics()
    private let map: PoolMapReader

    /// - Parameter tls: nil for the Unix socket alone.
    public init(
        socket: APISocket, tls: TLSListener? = nil, status: AgentStatus, tasks: TaskManager, jobs: JobManager,
        packages: PackageManager, heartbeat: SchedulerHeartbeat, drain: HostDrain, logger: Logger
    ) {
        self.socket = socket
        self.tls = tls
        self.status = status
        self.tasks = tasks
        self.jobs = jobs
        self.packages = packages
        self.heartbeat = heartbeat
        self.drain = drain
        secrets = SecretStore(tasks.configuration)
        keys = IdempotencyKeys(stateDirectory: tasks.configuration.stateDirectory)
        operations = Operations(
            stateDirectory: tasks.configuration.stateDirectory, events: tasks.events, logger: logger)
        self.logger = logger
        map = PoolMapReader(pool: status.pool)
    }

    /// Serves until it is cancelled.
    public func run(whenReady: @escaping @Sendable () async -> Void) async throws {
        await operations.recover()
        let local = UnixServer(responder: router(.socket).buildResponder(), logger: quiet)
        let socket = try socket.listen()
        guard let tls else { return try await local.run(socket, whenReady: whenReady) }
        let limits = ConnectionLimits(most: 256, ofPeer: 64)
        let remote = Application(
            router: router(.tls),
            server: try .tls(.http1(configuration: Self.connections(limits)), tlsConfiguration: tls.configuration),
            configuration: .init(address: .hostname(tls.host, port: tls.port)),
            onServerRunning: { [logger] _ in logger.info("listens", metadata: ["address": "\(tls.host):\(tls.port)"]) },
            logger: quiet)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await local.run(socket, whenReady: whenReady) }
            group.addTask { try await remote.runService(gracefulShutdownSignals: []) }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Serves the page and what it reads over TCP until it is cancelled (docs/web.md).
    ///
    /// - Parameter names: what browsers may call this host beside its own name.
    public func serve(web address: WebAddress, names: [String]) async throws {
        let names = Set((names + [HostResources.name()]).map { $0.lowercased() })
        let limits = ConnectionLimits(most: 128, ofPeer: 64)
        let app = Application(
            router: router(.web(names: names)),
            server: .http1(configuration: Self.connections(limits)),
            configuration: .init(address: .hostname(address.host, port: address.port)),
            logger: quiet)
        try await app.runService(gracefulShutdownSignals: [])
    }

    /// A connection on which nothing is being answered must bring a whole head of a request within so long, the TLS handshake
    /// included: nothing that is less than that counts.
    private static func connections(_ limits: ConnectionLimits) -> HTTP1Channel.Configuration {
        .init(additionalChannelHandlers: [ClientWatch(), ConnectionHandler(limits)], idleTimeout: .seconds(10))
    }

    private var quiet: Logger {
        var quiet = logger
        quiet.logLevel = .warning
        return quiet
    }

    /// Like `GET /v1/tasks/{name}`.
    var routes: [String] { router(.socket).routes.map { "\($0.method.rawValue) \($0.path)" } }

    func router(_ listener: APIListener) -> Router<AgentRequestContext> {
        let (router, direct) = (Router(context: AgentRequestContext.self), Router(context: AgentRequestContext.self))
        addRoutes(to: direct, listener)
        router.add(middleware: RequestMetricsMiddleware(metrics: requests))
        router.add(middleware: WebMiddleware(access: WebAccess(listener)))
        router.add(
            middleware: RequestGate(listener: listener, keys: keys, operations: operations, routes: direct.buildResponder()))
        addRoutes(to: router, listener)
        return router
    }

    private func addRoutes(to router: Router<AgentRequestContext>, _ listener: APIListener) {
        router.get("/v1/openapi.json") { _, _ in await answer { OpenAPIDocument.json } }
        let tasks = tasks
        let status = status
        router.get("/v1/agent") { _, _ in await answer { status } }
        router.get("/v1/tasks") { _, _ in await answer { await tasks.list() } }
        router.post("/v1/tasks") { request, context in
            await answer(.created) {
                let wanted = try await decode(TaskRequest.self, from: request)
                guard wanted.owner == nil else {
                    throw AgentError(.invalid, "it is the agent's to give; apply a job: dish job apply", at: "owner")
                }
                return try await tasks.start(wanted, id: context.reservedName, because: context.because())
            }
        }
        router.get("/v1/tasks/:name") { _, context in
            await answer { try await tasks.task(name(context)) }
        }
        router.get("/v1/tasks/:name/wait") { request, context in
            let query = request.uri.queryParameters
            let seconds = query.get("seconds", as: Int.self) ?? 60
            guard let state = TaskStatus.State(rawValue: query.get("state") ?? "exited") else {
                return failure(AgentError(.invalid, "'\(query.get("state") ?? "")' is not a task's state"))
            }
            return await answer {
                let name = try name(context)
                return try await context.whileConnected { try await tasks.wait(name, until: state, seconds: seconds) }
            }
        }
        router.get("/v1/tasks/:name/wait-removed") { request, context in
            let seconds = request.uri.queryParameters.get("seconds", as: Int.self) ?? 60
            return await answer {
                let name = try name(context)
                try await context.whileConnected { try await tasks.waitUntilRemoved(name, seconds: seconds) }
                return Done()
            }
        }
        router.post("/v1/tasks/:name/stop") { request, context in
            await answer {
                let timeout = try await decode(StopRequest.self, from: request).timeout
                return try await tasks.stop(name(context), timeout: timeout, because: context.because())
            }
        }
        router.delete("/v1/tasks/:name") { request, context in
            let query = request.uri.queryParameters
            let (force, purge) = (query.get("force") == "true", query.get("purge") == "true")
            return await answer {
                try await tasks.remove(
                    name(context), force: force, purge: purge, because: context.because(), if: context.precondition)
                return Done()
            }
        }
        addTaskRoutes(router)
        JobRoutes(jobs: jobs).add(to: router)
        OperationRoutes(operations: operations).add(to: router)
        PackageRoutes(packages: packages).add(to: router)
        HostRoutes(tasks: tasks, heartbeat: heartbeat, drain: drain).add(to: router)
        SecretRoutes(store: secrets, tasks: tasks, jobs: jobs).add(to: router)
        addResourceRoutes(router)
        MetricsRoutes(agent: status, tasks: tasks, jobs: jobs, requests: requests).add(to: router)
        WebRoutes(tasks: tasks, jobs: jobs, map: map, listener: listener).add(to: router)
    }
}

struct Done: Codable {}

func name(_ context: AgentRequestContext) throws -> String {
    guard let name = context.parameters.get("name") else { throw AgentError(.invalid, "the path has no task's name") }
    return name
}

func decode<Value: Decodable>(_ type: Value.Type, from request: Request) async throws -> Value {
    let body = try await request.body.collect(upTo: RequestGate.longestBody)
    do {
        return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
    } catch let error as DecodingError {
        throw AgentError(.invalid, "the request's body is not what it should be: \(error.sentence)", field: error.fieldPath)
    } catch {
        throw AgentError(.invalid, "the request's body is not what it should be: \(error)")
    }
}

func answer(_ status: HTTPResponse.Status = .ok, _ body: () async throws -> some Encodable) async -> Response {
    do {
        return try json(status, await body())
    } catch let error as AgentError {
        return failure(error)
    } catch {
        return failure(AgentError(of: error))
    }
}

func failure(_ error: AgentError) -> Response {
    let status: HTTPResponse.Status =
        switch error.code {
        case .invalid: .badRequest
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .conflict, .insufficient: .conflict
        case .changed: .preconditionFailed
        case .tooLarge: .contentTooLarge
        case .notJSON: .unsupportedMediaType
        case .unenforceable: .unprocessableContent
        case .unwritable: .init(code: 507, reasonPhrase: "Insufficient Storage")
        case .failed: .internalServerError
        }
    return (try? json(status, error)) ?? Response(status: .internalServerError)
}

func encodeAnswer(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
}

func json(_ status: HTTPResponse.Status, _ value: some Encodable) throws -> Response {
    let data = try encodeAnswer(value)
    return Response(
        status: status, headers: [.contentType: "application/json", .eTag: EntityTag(of: data).text],
        body: .init(byteBuffer: ByteBuffer(bytes: data)))
}
