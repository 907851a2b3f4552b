import AgentAPI

/// A route of the API: who may use it, what it takes and what it answers. The server refuses what isn't like that, and the
/// OpenAPI document is made from it.
struct APIOperation: Sendable {
    enum Method: String, Sendable, CaseIterable {
        case get, put, post, delete, patch
    }

    let method: Method
    /// Like `/v1/tasks/{name}`.
    let path: String
    let summary: String
    let role: APIRole
    var query: [APIField] = []
    var body: APIObject?
    var status = 200
    var answer: APISchema
    /// What the answer may be written in.
    var mediaTypes = ["application/json"]
    /// Whether the answer is lines of JSON, each like `answer`.
    var isStream = false
    /// Whether the host may refuse it for what it can't enforce (422).
    var isEnforced = false
    /// Whether `If-Match` is heeded.
    var isConditional = false
    /// Whether `Idempotency-Key` is heeded.
    var isOnce = false
    /// What it is while it is under way, where it takes its time; such a request may be answered before it is done.
    var kind: OperationStatus.Kind?

    init(
        _ method: Method, _ path: String, _ summary: String, _ role: APIRole, query: [APIField] = [], body: APIObject? = nil,
        status: Int = 200, answer: APISchema
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.role = role
        self.query = query
        self.body = body
        self.status = status
        self.answer = answer
    }

    func of(_ mediaTypes: String...) -> APIOperation { changed { $0.mediaTypes = mediaTypes } }
    func stream() -> APIOperation { changed { $0.isStream = true } }
    func enforced() -> APIOperation { changed { $0.isEnforced = true } }
    func conditional() -> APIOperation { changed { $0.isConditional = true } }
    func once() -> APIOperation { changed { $0.isOnce = true } }
    func long(_ kind: OperationStatus.Kind) -> APIOperation { changed { $0.kind = kind } }

    private func changed(_ change: (inout APIOperation) -> Void) -> APIOperation {
        var copy = self
        change(&copy)
        return copy
    }

    /// The names in the path's braces.
    var pathParameters: [String] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    }

    /// Whether a request's path is one of this operation's.
    func matches(_ requested: some StringProtocol) -> Bool {
        let (own, other) = (path.split(separator: "/"), requested.split(separator: "/"))
        return own.count == other.count && zip(own, other).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }

    /// Checks what is asked for beside the path.
    func check(query parameters: [(name: String, value: String)]) throws(AgentError) {
        for (name, value) in parameters {
            guard let field = query.first(where: { $0.name == name }) else {
                let known = query.isEmpty ? "there are none here" : "there are \(query.map(\.name).joined(separator: ", "))"
                throw AgentError(.invalid, "?\(name): there is no such parameter; \(known)", field: "?\(name)")
            }
            guard parameters.filter({ $0.name == name }).count == 1 else {
                throw AgentError(.invalid, "?\(name): it is there twice", field: "?\(name)")
            }
            try field.schema.check(parameter: value, name)
        }
        for field in query where field.isRequired && !parameters.contains(where: { $0.name == field.name }) {
            throw AgentError(.invalid, "?\(field.name): it is missing", field: "?\(field.name)")
        }
    }

    /// Headers that it heeds, with what they are for.
    var headers: [(name: String, about: String)] {
        var headers: [(String, String)] = []
        if isTagged { headers.append(("If-None-Match", "ETags of earlier answers: 304 if it is still like one of them.")) }
        if isConditional { headers.append(("If-Match", "ETags of the object: 412 unless it is still like one of them.")) }
        if kind != nil {
            headers.append(
                (
                    "Prefer",
                    "`respond-async`: answered with 202 and an operation; with `, wait=N` only after N seconds (RFC 7240)."
                ))
        }
        if isOnce { headers.append(("Idempotency-Key", "The same again within a day gets the answer that the first one got.")) }
        return headers
    }

    /// - Throws: `AgentError` for a value that is empty, longer than 200 bytes or no visible text.
    func check(header name: String, _ value: String) throws(AgentError) {
        guard (1...200).contains(value.utf8.count), value.utf8.allSatisfy({ $0 >= 32 && $0 < 127 }), value.first != " " else {
            throw AgentError(.invalid, "\(name): it must be 1 to 200 visible characters", field: name)
        }
    }

    /// Statuses of errors that it may answer with.
    var errors: [Int] {
        var statuses = [400, 403, 500]
        if !pathParameters.isEmpty || body != nil || query.contains(where: \.isRequired) { statuses.append(404) }
        if method != .get { statuses.append(409) }
        if isConditional { statuses.append(412) }
        if body != nil { statuses += [413, 415] }
        if isEnforced { statuses.append(422) }
        if method != .get { statuses.append(507) }
        return statuses.sorted()
    }
}
