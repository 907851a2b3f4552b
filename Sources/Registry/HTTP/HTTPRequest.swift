/// One HTTP request.
struct HTTPRequest: Sendable {
    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// A file from a position to its end.
        case file(path: String, from: UInt64)
    }

    var method: String
    /// Absolute.
    var url: String
    var headers: [(name: String, value: String)] = []
    var body = Body.none
    /// Whether it has secrets in other places than `Authorization`: no redirect takes it to another origin.
    var staysAtOrigin = false

    init(_ method: String, _ url: String) {
        self.method = method
        self.url = url
    }

    /// The same with the value of an `Authorization` field; nil for none.
    func authorized(_ value: String?) -> HTTPRequest {
        guard let value else { return self }
        var request = self
        request.headers.append((name: "Authorization", value: value))
        return request
    }

    /// Scheme, host and port: where secrets made for this request may go.
    var origin: String { Self.origin(of: url) }

    /// The host, without user and port; nil for a URL with a user in it, which is only there to look like a host.
    static func host(of url: String) -> Substring? {
        let origin = origin(of: url)[...]
        guard let separator = origin.firstRange(of: "://") else { return nil }
        let authority = origin[separator.upperBound...]
        if authority.contains("@") { return nil }
        if authority.hasPrefix("[") { return authority.prefix { $0 != "]" }.dropFirst() }
        return authority.prefix { $0 != ":" }
    }

    static func isLoopback(_ host: some StringProtocol) -> Bool {
        // 127.example.com is a name.
        host == "localhost" || host == "::1" || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
    }

    /// As RFC 6454 has it: in lower case, and without the port that the scheme has anyway.
    static func origin(of url: String) -> String {
        guard let separator = url.firstRange(of: "://") else { return url }
        let end = url[separator.upperBound...].firstIndex { "/?#".contains($0) } ?? url.endIndex
        let origin = url[..<end].lowercased()
        for (scheme, port) in [("https://", ":443"), ("http://", ":80")] where origin.hasPrefix(scheme) {
            for suffix in [port, ":"] where origin.hasSuffix(suffix) && !origin.hasSuffix("/" + suffix) {
                return String(origin.dropLast(suffix.utf8.count))
            }
        }
        return origin
    }
}
