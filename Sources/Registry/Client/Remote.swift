import FoundationEssentials
import Glibc
import Layers
import Linux
import OCI

/// One repository of a registry (OCI distribution-spec 1.1), spoken to over HTTP.
public actor Remote {
    public nonisolated let reference: Reference
    private nonisolated let client: HTTPClient
    private let isPlain: Bool
    private let store: CredentialStore
    /// `https://host`, once it is known to answer.
    private var base: String?
    /// The value of the `Authorization` field for a scope of access.
    private var authorization: String?

    public init(_ reference: Reference, _ options: RegistryOptions) {
        self.init(reference, options, store: .host)
    }

    init(_ reference: Reference, _ options: RegistryOptions, store: CredentialStore) {
        var curl = Curl.Options()
        curl.stallTimeout = options.stallTimeout
        curl.authorities = options.authorities
        let own = "/etc/docker/certs.d/\(reference.host)/ca.crt"
        if curl.authorities == nil, Files.exists(own) { curl.authorities = own }
        var client = HTTPClient(curl)
        client.attempts = options.attempts
        self.reference = reference
        self.client = client
        isPlain = options.isPlain
        self.store = store
    }

    /// How often a blob that breaks off is continued.
    nonisolated var attempts: Int { client.attempts }

    nonisolated func pause(after attempt: Int) async throws { try await client.pause(after: attempt, nil) }

    /// Sends a request below the repository, with what authorizes it, which is got when it is asked for.
    ///
    /// - Parameter path: after `/v2/NAME/`, or a whole URL that the registry gave.
    /// - Throws: `RegistryError` `.unreachable`, `.unauthorized`.
    func send(
        _ method: String, _ path: String, body: HTTPRequest.Body = .none, headers: [(String, String)] = [], sink: Curl.Sink? = nil
    )
        async throws -> HTTPResponse
    {
        let base = try await findBase()
        let url =
            path.hasPrefix("http://") || path.hasPrefix("https://")
            ? path : path.hasPrefix("/") ? base + path : "\(base)/v2/\(reference.repository)/\(path)"
        guard !base.hasPrefix("https://") || url.hasPrefix("https://") else {
            throw RegistryError(.refused, "\(reference.host) sends to '\(url)', which is no HTTPS; nothing was sent there")
        }
        var request = HTTPRequest(method, url)
        request.body = body
        request.headers = headers.map { (name: $0.0, value: $0.1) }
        // Uploads may go to a host that isn't the registry's.
        let isOurs = request.origin == HTTPRequest.origin(of: base)
        guard isOurs else { return try await transfer(request, sink) }
        var used = authorization
        var response = try await transfer(request.authorized(used), sink)
        if response.head.status == 401, authorization != used {
            // Another request has got a newer one meanwhile.
            used = authorization
            response = try await transfer(request.authorized(used), sink)
        }
        let challenges = Challenge.all(response.head.all("WWW-Authenticate"))
        guard response.head.status == 401, let challenge = challenges.first(where: { $0 != .basic }) ?? challenges.first else {
            return response
        }
        // Whoever a redirect leads to doesn't say where this registry's credentials go.
        guard HTTPRequest.origin(of: response.url) == HTTPRequest.origin(of: base) else { return response }
        guard let value = try await answer(challenge), value != used else { return response }
        authorization = value
        return try await transfer(request.authorized(value), sink)
    }

    /// What went wrong, for an answer that isn't what it should be.
    nonisolated func failure(_ response: HTTPResponse, _ what: String) -> RegistryError {
        let status = response.head.status
        let why = response.excerpt.isEmpty ? "HTTP \(status)" : "HTTP \(status): \(response.excerpt)"
        switch status {
        case 401:
            return RegistryError(
                .unauthorized,
                "\(what): \(reference.host) wants other credentials (\(why)); log in: docker login \(reference.host), or write them into \(CredentialStore.host.path ?? "config.json")"
            )
        case 403: return RegistryError(.unauthorized, "\(what): \(reference.host) forbids it (\(why))")
        case 404: return RegistryError(.notFound, "\(what): \(reference.host) has none (\(why))")
        default: return RegistryError(.refused, "\(what): \(reference.host) answered \(why)")
        }
    }

    private nonisolated func transfer(_ request: HTTPRequest, _ sink: Curl.Sink?) async throws -> HTTPResponse {
        do {
            return try await client.send(request, sink: sink)
        } catch let failure as Curl.Failure {
            throw unreachable(failure)
        }
    }

    nonisolated func unreachable(_ failure: Curl.Failure) -> RegistryError {
        RegistryError(.unreachable, "cannot reach \(reference.host): \(failure.message)")
    }

    /// HTTPS, and HTTP where that is allowed and nothing else is spoken.
    private func findBase() async throws -> String {
        if let base { return base }
        let plain = "http://\(reference.host)"
        if isPlain {
            base = plain
            return plain
        }
        let secure = "https://\(reference.host)"
        if reference.isLoopback {
            do {
                var once = client
                once.attempts = 1
                _ = try await once.send(HTTPRequest("GET", "\(secure)/v2/"))
            } catch let failure as Curl.Failure where failure.isNoTLS {
                base = plain
                return plain
            } catch is Curl.Failure {
                // What is wrong shows, after further attempts, in the request itself.
                return secure
            }
        }
        base = secure
        return secure
    }

    private func answer(_ challenge: Challenge) async throws -> String? {
        let credentials = try await store.credentials(for: reference)
        switch challenge {
        case .basic: return credentials?.basic
        case .bearer(let realm, let service, let scope):
            try requireTrusted(realm, credentials != nil)
            return "Bearer " + (try await token(realm, service, scope, credentials))
        }
    }

    /// Credentials go to the registry they are for, and to where it says itself that its tokens are: over HTTPS, as it must be spoken
    /// to as well; over plain HTTP to the registry's own host alone.
    private func requireTrusted(_ realm: String, _ hasCredentials: Bool) throws {
        func refused(_ why: String) -> RegistryError {
            RegistryError(.refused, "\(reference.host) sends for a token to '\(realm)', \(why); nothing was sent there")
        }
        guard let host = HTTPRequest.host(of: realm) else { throw refused("which is no place for credentials") }
        let isPlain = base?.hasPrefix("http://") == true
        guard realm.hasPrefix("https://") || isPlain && realm.hasPrefix("http://") else { throw refused("which is no HTTPS") }
        guard isPlain, hasCredentials, host != HTTPRequest.host(of: base ?? "") else { return }
        throw refused("which is another host, and says so without HTTPS")
    }

    private struct Token: Decodable {
        let token: String?
        let access_token: String?
    }

    /// Docker's token authentication; OAuth 2 when there is an identity token.
    private func token(_ realm: String, _ service: String?, _ scope: String?, _ credentials: Credentials?) async throws -> String
    {
        let scope = scope ?? "repository:\(reference.repository):pull"
        var fields = service.map { ["service=\(urlEncoded($0))"] } ?? []
        var request: HTTPRequest
        if let identity = credentials?.identityToken {
            fields += [
                "scope=\(urlEncoded(scope))", "grant_type=refresh_token", "client_id=butterdish",
                "refresh_token=\(urlEncoded(identity))",
            ]
            request = HTTPRequest("POST", realm)
            request.body = .bytes(Array(fields.joined(separator: "&").utf8))
        } else {
            // Several scopes, as for a mount, are several fields.
            fields += scope.split(separator: " ").map { "scope=\(urlEncoded(String($0)))" }
            request = HTTPRequest("GET", realm + (realm.contains("?") ? "&" : "?") + fields.joined(separator: "&"))
            if let credentials { request.headers.append((name: "Authorization", value: credentials.basic)) }
        }
        // An anonymous one has nothing that another host may not see.
        request.staysAtOrigin = credentials != nil
        let response = try await transfer(request, nil)
        guard response.head.isSuccess else { throw failure(response, "get a token from '\(realm)'") }
        let token = try OCIJSON.decode(Token.self, response.body, "the token from '\(realm)'")
        guard let text = token.token ?? token.access_token else {
            throw RegistryError(.unauthorized, "'\(realm)' answered without a token")
        }
        return text
    }
}
