import AgentAPI
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import Spec

/// What every request passes: who asks, what for, and whether it is written as the API's description says. Whatever is refused or
/// fails is answered with an `AgentError` as JSON.
struct RequestGate: RouterMiddleware {
    let listener: APIListener
    let keys: IdempotencyKeys
    let operations: Operations
    /// The routes behind this gate, for what goes on when the request has been answered.
    let routes: RouterResponder<AgentRequestContext>

    /// Bytes of a body.
    static let longestBody = 2 << 20
    /// Seconds that a body may take to arrive.
    private static let longestUpload: Int64 = 60

    func handle(
        _ request: Request, context: AgentRequestContext, next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await admit(request, context, next)
        } catch let error as AgentError {
            return failure(error)
        } catch is NIOTooManyBytesError {
            return failure(AgentError(.tooLarge, "the body is longer than \(Self.longestBody) bytes"))
        } catch let error as HTTPError {
            return failure(Self.refusal(error))
        } catch {
            return failure(AgentError(of: error))
        }
    }

    private func admit(
        _ request: Request, _ context: AgentRequestContext, _ next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        guard let endpoint = context.endpointPath else { return Self.unknown(request) }
        var (request, context) = (request, context)
        context.caller = try await listener.caller(on: context.channel)
        let operation = APIDescription.operation(request.method.rawValue, at: endpoint)
        // What isn't described is nobody's but who may do everything.
        let role = operation?.role ?? .admin
        guard let caller = context.caller, caller.role >= role else {
            throw AgentError(
                .forbidden, "this needs the role '\(role.rawValue)'; \(context.caller?.name ?? "nobody") hasn't got it")
        }
        guard let operation else { return try await next(request, context) }
        for name in operation.pathParameters {
            try APISchema.text(1...200).check(.text(context.parameters.get(name) ?? ""), at: name)
        }
        try operation.check(query: request.uri.queryParameters.map { (String($0.key), String($0.value)) })
        for (name, _) in operation.headers {
            guard let field = HTTPField.Name(name) else { continue }
            for value in request.headers[values: field] { try operation.check(header: name, value) }
        }
        var body: [UInt8] = []
        if let object = operation.body {
            // One that trickles in ends with its connection.
            let channel = context.channel
            let deadline = channel.eventLoop.scheduleTask(in: .seconds(Self.longestUpload)) { channel.close(promise: nil) }
            defer { deadline.cancel() }
            body = try await check(&request, object)
        }
        if operation.isConditional { context.precondition = Precondition(tags: request.headers[.ifMatch]) }
        if operation.isOnce, let key = request.headers[.idempotencyKey] {
            return try await once(key, body, request, context) { try await carryOut(operation, $0, $1, next) }
        }
        var response = try await carryOut(operation, request, context, next)
        if let tag = response.headers[.eTag] {
            if !operation.isTagged {
                response.headers[.eTag] = nil
            } else if let known = request.headers[.ifNoneMatch], known.tags(tag) {
                return Response(status: .notModified, headers: [.eTag: tag])
            }
        }
        return response
    }

    /// Carries out what takes its time: in the background where whoever asks prefers that.
    private func carryOut(
        _ operation: APIOperation, _ request: Request, _ context: AgentRequestContext,
        _ next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        guard let kind = operation.kind else {
            let response = try await next(request, context)
            if request.method != .get { await operations.recordEvents() }
            return response
        }
        let preference = AsyncPreference(request.headers[values: .prefer])
        let caller = context.caller?.name ?? "somebody"
        let running = try await operations.begin(
            kind, on: Self.target(operation, context), by: caller, inBackground: preference.isAsync)
        guard preference.isAsync else { return await Self.answer(of: running, operations) { try await next(request, context) } }
        var request = request
        // The connection is somebody else's by the time that it is read.
        if operation.body == nil { request.body = .init(buffer: ByteBuffer()) }
        let (asked, routes, operations) = (request, routes, operations)
        let work = Task {
            await Self.answer(of: running, operations) { try await routes.respond(to: asked, context: context) }
        }
        if let seconds = preference.wait {
            try? await running.wait(until: .now + .seconds(seconds))
            if running.status.state.hasEnded { return await work.value }
        }
        var response = try json(.accepted, running.status)
        response.headers[.location] = "/v1/operations/\(running.status.id)"
        response.headers[.preferenceApplied] = "respond-async"
        return response
    }

    /// - Returns: the answer, once the operation has ended with it.
    private static func answer(
        of running: RunningOperation, _ operations: Operations, _ route: () async throws -> Response
    ) async -> Response {
        var response: Response
        do {
            response = try await RunningOperation.$current.withValue(running) { try await route() }
        } catch let error as AgentError {
            response = failure(error)
        } catch {
            response = failure(AgentError(of: error))
        }
        let collected = CollectedBody()
        try? await response.body.write(collected)
        response.body = .init(byteBuffer: ByteBuffer(string: collected.text))
        let body = Data(collected.text.utf8)
        let error =
            (200..<300).contains(response.status.code)
            ? nil
            : (try? JSONDecoder().decode(AgentError.self, from: body)) ?? AgentError(.failed, response.status.reasonPhrase)
        await operations.end(running, error, result: error == nil ? try? JSONDecoder().decode(JSONValue.self, from: body) : nil)
        return response
    }

    /// What a request is about: `/v1/jobs/web`.
    private static func target(_ operation: APIOperation, _ context: AgentRequestContext) -> String {
        let parts = operation.path.split(separator: "/").prefix(3)
        return parts.map { "/" + ($0 == "{name}" ? context.parameters.get("name") ?? "" : String($0)) }.joined()
    }

    /// Answers as the first time where the same was asked for before.
    private func once(
        _ key: String, _ body: [UInt8], _ request: Request, _ context: AgentRequestContext,
        _ next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        let ticket: IdempotencyKeys.Ticket
        let asked = "\(request.method.rawValue) \(request.uri)"
        let course = try await keys.begin(key, for: asked, body: body) { [operations] answer in
            // What was begun in the background, and came to nothing.
            guard let begun = try? JSONDecoder().decode(OperationStatus.self, from: Data(answer.utf8)),
                let now = try? await operations.find(begun.id).status
            else { return false }
            return now.state.hasEnded && now.state != .done
        }
        switch course {
        case .answered(let status, let body):
            var response = Response(
                status: .init(code: status), headers: [.contentType: "application/json", .idempotencyReplayed: "true"],
                body: .init(byteBuffer: ByteBuffer(string: body)))
            if let operation = try? JSONDecoder().decode(OperationStatus.self, from: Data(body.utf8)) {
                response.headers[.location] = "/v1/operations/\(operation.id)"
            }
            return response
        case .open(let open): ticket = open
        }
        var context = context
        context.reservedName = ticket.name
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            await keys.end(ticket, status: 500, body: "")
            throw error
        }
        let collected = CollectedBody()
        try await response.body.write(collected)
        await keys.end(ticket, status: response.status.code, body: collected.text)
        response.body = .init(byteBuffer: ByteBuffer(string: collected.text))
        response.headers[.eTag] = nil
        return response
    }

    private func check(_ request: inout Request, _ body: APIObject) async throws -> [UInt8] {
        if let type = request.headers[.contentType] {
            let name = type.prefix { $0 != ";" && $0 != " " }.lowercased()
            guard name == "application/json" else {
                throw AgentError(.notJSON, "the body must be JSON, not '\(name)'; send the header Content-Type: application/json")
            }
        }
        let bytes = try await request.collectBody(upTo: Self.longestBody)
        guard bytes.readableBytes > 0 else { throw AgentError(.invalid, "the request has no body") }
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes.readableBytesView))
        } catch {
            throw AgentError(.invalid, "the request's body is no JSON that can be read")
        }
        try APISchema.object(body).check(value)
        return Array(bytes.readableBytesView)
    }

    /// No such path, or none with this method.
    private static func unknown(_ request: Request) -> Response {
        let methods = APIDescription.methods(at: request.uri.path)
        guard !methods.isEmpty else {
            return failure(AgentError(.notFound, "there is no '\(request.uri.path)'; what there is: GET /v1/openapi.json"))
        }
        let allowed = methods.joined(separator: ", ")
        var response = failure(
            AgentError(.methodNotAllowed, "'\(request.uri.path)' takes \(allowed), not \(request.method.rawValue)"))
        response.headers[.allow] = allowed
        return response
    }

    private static func refusal(_ error: HTTPError) -> AgentError {
        switch error.status {
        case .contentTooLarge: AgentError(.tooLarge, "the body is longer than \(longestBody) bytes")
        case .notFound: AgentError(.notFound, "there is no such path")
        default: AgentError(error.status.kind == .serverError ? .failed : .invalid, error.body ?? error.status.reasonPhrase)
        }
    }
}

extension HTTPField.Name {
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
    static let prefer = HTTPField.Name("Prefer")!
    static let preferenceApplied = HTTPField.Name("Preference-Applied")!
    static let idempotencyReplayed = HTTPField.Name("Idempotency-Replayed")!
}

/// Takes an answer's body.
private final class CollectedBody: ResponseBodyWriter, @unchecked Sendable {
    private(set) var text = ""

    func write(_ buffer: ByteBuffer) { text += String(buffer: buffer) }

    func finish(_ trailers: HTTPFields?) {}
}

extension String {
    /// Whether this header's value names a tag.
    fileprivate func tags(_ tag: String) -> Bool {
        split(separator: ",").contains { part in
            let name = part.filter { $0 != " " && $0 != "\t" }
            return name == "*" || name == tag || name == "W/\(tag)"
        }
    }
}
