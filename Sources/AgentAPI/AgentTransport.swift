/// A way to the agent: one request and its answer.
protocol AgentTransport: Sendable {
    /// Where the agent is, for people.
    var place: String { get }

    /// - Parameters:
    ///   - headers: lines like `Prefer: respond-async`.
    ///   - seconds: how long the agent may be silent.
    /// - Throws: `AgentError` where nobody answers, and for what isn't HTTP; `AgentLost` when it ended before it had answered.
    func exchange(
        _ method: String, _ path: String, headers: [String], body: [UInt8]?, silence seconds: Int
    ) async throws -> AgentAnswer

    /// Passes the body of an answer to GET on as it comes, until the agent ends it or the callback has had enough.
    ///
    /// - Parameter onBytes: what came; false ends it.
    /// - Returns: the answer where it is a whole one: an error, most often.
    func stream(
        _ path: String, silence seconds: Int, onBytes: @escaping @Sendable ([UInt8]) throws -> Bool
    ) async throws -> AgentAnswer?
}

/// The agent ended, or was replaced, before it had answered: what was asked for may be done.
struct AgentLost: Error {}

/// Nobody listens where the agent does.
struct AgentAway: Error, CustomStringConvertible {
    let description: String
}

/// What came back.
struct AgentAnswer: Sendable {
    let status: Int
    let body: [UInt8]
}
