import AgentAPI

/// What is answered to browsers and over TCP (docs/web.md, "What holds others back").
struct WebAccess: Sendable {
    struct Asked: Sendable {
        var method: String
        /// Without its query.
        var path: String
        /// The `Host` field.
        var host: String?
        /// Whether only a browser sends such a request.
        var isBrowser = false
        /// Whether the browser says that a page of another place is behind it.
        var isCrossSite = false
    }

    enum Refusal: Equatable {
        case method, host, crossSite, path
    }

    /// Whether it is the address of `--web`, not the Unix socket.
    let isWeb: Bool
    /// What this host is called, in small letters.
    let names: Set<String>

    init(isWeb: Bool, names: Set<String>) {
        self.isWeb = isWeb
        self.names = names
    }

    init(_ listener: APIListener) {
        if case .web(let names) = listener {
            self.init(isWeb: true, names: names)
        } else {
            self.init(isWeb: false, names: [])
        }
    }

    /// Nil for a request that is answered.
    func refusal(_ asked: Asked) -> Refusal? {
        // Who reaches the socket with another program is root, and may do everything.
        guard isWeb || asked.isBrowser else { return nil }
        if !isOurs(asked.host) { return .host }
        if asked.method != "GET" { return .method }
        if asked.isCrossSite { return .crossSite }
        return Self.isPublic(asked.path) ? nil : .path
    }

    /// A name that somebody else has can be made to lead here (DNS rebinding), and their page would read what is answered. An
    /// address can't, nor can a name that is ours.
    private func isOurs(_ host: String?) -> Bool {
        guard let host else { return false }
        guard let host = HostHeader(host) else { return false }
        return host.isAddress || host.name == "localhost" || host.name.hasSuffix(".localhost") || names.contains(host.name)
    }

    /// What the page is made of. Nothing that waits without an end, and nothing with what people keep secret: jobs have
    /// environment variables.
    private static func isPublic(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        switch (parts.count, parts.first) {
        case (1, ""), (1, "metrics"): return true
        case (2, "web"): return true
        case (2, "v1"): return ["agent", "events", "host", "replicas", "stats", "tasks", "timeline"].contains(parts[1])
        case (3, "v1"):
            return parts[1] == "tasks" || ["pool/map", "pool/devices", "timeline/changes"].contains("\(parts[1])/\(parts[2])")
        case (4, "v1"): return parts[1] == "tasks" && ["console", "snapshots", "stats"].contains(parts[3])
        default: return false
        }
    }
}
