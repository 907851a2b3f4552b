import Glibc
import Linux

/// HTTP with redirects and repeated attempts, over `Curl`.
struct HTTPClient: Sendable {
    var curl: Curl
    /// How often something is tried in all.
    var attempts = 5
    /// The wait after the first failure; it doubles with each further one.
    var firstDelay = Duration.milliseconds(500)

    private static let redirects = 10

    init(_ options: Curl.Options) {
        curl = Curl(options: options)
    }

    /// Sends a request until it is answered with something that another attempt wouldn't change.
    ///
    /// - Parameter sink: called with the pieces of a successful answer's body; nil to collect it. Attempts begin
    ///   anew, so one with a sink is made once.
    /// - Throws: `RegistryError` `.unreachable`.
    func send(_ request: HTTPRequest, sink: Curl.Sink? = nil) async throws -> HTTPResponse {
        var attempt = 1
        while true {
            let isLast = attempt >= attempts || sink != nil
            do {
                let response = try await follow(request, sink)
                guard Self.isWorthAnother(response.head.status), !isLast else { return response }
                try await pause(after: attempt, response.head["Retry-After"])
            } catch let failure as Curl.Failure {
                guard failure.isTransient, !isLast else { throw failure }
                try await pause(after: attempt, nil)
            }
            attempt += 1
        }
    }

    static func isWorthAnother(_ status: Int) -> Bool { status == 408 || status == 429 || (500..<600).contains(status) }

    /// - Parameter wanted: seconds that the server asks for.
    func pause(after attempt: Int, _ wanted: String?) async throws {
        // Hosts that failed together don't come back together.
        let backoff = firstDelay * (1 << min(attempt - 1, 6)) * Double.random(in: 0.75...1.25)
        let delay = wanted.flatMap { Int($0) }.map { Duration.seconds(min(max($0, 0), 60)) } ?? backoff
        try await Task.sleep(for: delay)
    }

    private func follow(_ request: HTTPRequest, _ sink: Curl.Sink?) async throws -> HTTPResponse {
        var request = request
        for _ in 0...Self.redirects {
            let (response, target) = try await curl.perform(request, sink: sink)
            guard [301, 302, 303, 307, 308].contains(response.head.status), let target, !target.isEmpty else { return response }
            let isSecure = request.url.lowercased().hasPrefix("https://")
            guard target.hasPrefix("https://") || target.hasPrefix("http://") && !isSecure else {
                throw RegistryError(
                    .refused, "'\(request.url)' redirects to '\(target)', which is no HTTPS; nothing was sent there")
            }
            if HTTPRequest.origin(of: target) != request.origin {
                guard !request.staysAtOrigin else {
                    throw RegistryError(
                        .refused,
                        "'\(request.url.prefix { $0 != "?" })' redirects a request with credentials to '\(HTTPRequest.origin(of: target))'; nothing was sent there"
                    )
                }
                request.headers.removeAll { $0.name.lowercased() == "authorization" }
            }
            if response.head.status == 303 { (request.method, request.body) = ("GET", .none) }
            request.url = target
        }
        throw RegistryError(.refused, "'\(request.url)': more than \(Self.redirects) redirects")
    }
}
