import AgentAPI
import Hummingbird

/// Refuses what isn't for browsers, and tells them what they may do with the rest.
struct WebMiddleware: RouterMiddleware {
    let access: WebAccess

    private typealias Field = HTTPFields.Element

    /// Only files of ours run, nothing is loaded from elsewhere, no page of others shows ours, and no text becomes elements.
    static let policy =
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

    func handle(
        _ request: Request, context: AgentRequestContext, next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        switch access.refusal(Self.asked(request)) {
        case nil: response = try await next(request, context)
        case .method:
            response = Self.refuse(.methodNotAllowed, "a browser can look, and change nothing; use the command line: dish")
            response.headers[.allow] = "GET"
        case .host:
            response = Self.refuse(
                .misdirectedRequest,
                "this host is not known as '\(request.head.authority ?? "")'; use its address, or give the agent this name (its setting web-name)"
            )
        case .crossSite: response = Self.refuse(.forbidden, "a page of another place asks for this")
        case .path: response = Self.refuse(.notFound, "'\(request.uri.path)' is not served to browsers")
        }
        response.headers[.contentSecurityPolicy] = Self.policy
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[Self.referrerPolicy] = "no-referrer"
        response.headers[Self.resourcePolicy] = "same-origin"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        return response
    }

    private static let referrerPolicy = Field.Name("Referrer-Policy")!
    private static let resourcePolicy = Field.Name("Cross-Origin-Resource-Policy")!
    private static let fetchSite = Field.Name("Sec-Fetch-Site")!

    private static func refuse(_ status: HTTPResponse.Status, _ message: String) -> Response {
        (try? json(status, AgentError(status == .notFound ? .notFound : .invalid, message))) ?? Response(status: status)
    }

    private static func asked(_ request: Request) -> WebAccess.Asked {
        let (fields, site) = (request.headers, request.headers[fetchSite])
        var asked = WebAccess.Asked(
            method: request.method.rawValue, path: request.uri.path, host: request.head.authority ?? fields[Self.host])
        // All of them send the last two, and a page's scripts can't keep them from doing so.
        asked.isBrowser =
            site != nil || fields[.origin] != nil || fields[.acceptLanguage] != nil
            || fields[.userAgent]?.hasPrefix("Mozilla/") == true
        // A link somewhere else may lead here; it doesn't let that place read anything.
        let isNavigation = fields[fetchMode] == "navigate"
        asked.isCrossSite = site.map { $0 != "same-origin" && $0 != "none" && !isNavigation } ?? false
        return asked
    }

    private static let host = Field.Name("Host")!
    private static let fetchMode = Field.Name("Sec-Fetch-Mode")!
}
