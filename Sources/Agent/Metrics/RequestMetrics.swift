import Hummingbird
import Synchronization

/// How many requests the API has answered, and how long that took.
final class RequestMetrics: Sendable {
    /// Seconds; waiting for a task to end may take hours.
    static let bounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]

    struct Answer: Hashable, Sendable {
        /// As it was declared, so that there is one for all tasks; empty for a path that is none.
        let route: String
        let method: String
        let status: Int
    }

    struct Durations: Sendable {
        /// In each bucket, and above the last bound.
        var counts = [UInt64](repeating: 0, count: RequestMetrics.bounds.count + 1)
        /// Seconds.
        var sum = 0.0
    }

    struct Totals: Sendable {
        var answers: [Answer: UInt64] = [:]
        /// By route.
        var durations: [String: Durations] = [:]
        /// Requests that are being answered, those included that wait for something or whose answer has no end.
        var underWay = 0
    }

    private let state = Mutex(Totals())

    var totals: Totals { state.withLock { $0 } }

    func begin() { state.withLock { $0.underWay += 1 } }

    func end() { state.withLock { $0.underWay -= 1 } }

    func record(_ answer: Answer, seconds: Double) {
        let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        state.withLock { state in
            state.answers[answer, default: 0] += 1
            state.durations[answer.route, default: Durations()].counts[bucket] += 1
            state.durations[answer.route]?.sum += seconds
        }
    }
}

/// Counts requests. Of an answer without an end, the time until it began.
struct RequestMetricsMiddleware: RouterMiddleware {
    let metrics: RequestMetrics

    /// Others are counted as one: whoever sends them doesn't choose how many there are.
    private static let methods: Set<String> = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

    func handle(
        _ request: Request, context: AgentRequestContext, next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let method = Self.methods.contains(request.method.rawValue) ? request.method.rawValue : "other"
        func record(_ status: Int) {
            let (seconds, attoseconds) = (ContinuousClock.now - start).components
            metrics.record(
                .init(route: context.endpointPath ?? "", method: method, status: status),
                seconds: Double(seconds) + Double(attoseconds) / 1e18)
        }
        metrics.begin()
        do {
            var response = try await next(request, context)
            record(response.status.code)
            guard response.body.contentLength == nil else {
                metrics.end()
                return response
            }
            let stream = response.body
            response.body = ResponseBody { [metrics] writer in
                defer { metrics.end() }
                try await stream.write(writer)
            }
            return response
        } catch {
            metrics.end()
            record((error as? any HTTPResponseError)?.status.code ?? 500)
            throw error
        }
    }
}
