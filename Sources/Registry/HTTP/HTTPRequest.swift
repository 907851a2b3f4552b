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
    var origin: Substring { Self.origin(of: url) }

    static func origin(of url: String) -> Substring {
        guard let separator = url.firstRange(of: "://") else { return url[...] }
        return url[..<(url[separator.upperBound...].firstIndex { "/?#".contains($0) } ?? url.endIndex)]
    }
}
