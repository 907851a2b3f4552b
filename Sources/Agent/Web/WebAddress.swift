import Glibc

/// Where the page is served over TCP.
public struct WebAddress: Sendable, Equatable, CustomStringConvertible {
    /// Numeric.
    public let host: String
    public let port: Int

    /// From `PORT` (of the loopback interface), `ADDRESS:PORT` or `[ADDRESS]:PORT`; nil when it is none.
    public init?(_ text: String) {
        let split = HostHeader(text)
        if text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            self.init(host: "127.0.0.1", port: text)
        } else {
            guard let split, let port = split.port else { return nil }
            self.init(host: split.name == "localhost" ? "127.0.0.1" : split.name, port: port)
        }
    }

    private init?(host: String, port: String) {
        guard HostHeader.isAddress(host), let number = Int(port), (1...65535).contains(number) else { return nil }
        (self.host, self.port) = (host, number)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only this host reaches it.
    public var isLoopback: Bool { host.hasPrefix("127.") || host == "::1" }
}

/// The name of a host and a port, as in a request's `Host` (RFC 9110, section 7.2).
struct HostHeader: Equatable {
    /// In small letters, an IPv6 address without its brackets.
    let name: String
    let port: String?

    init?(_ text: String) {
        let text = text.lowercased()
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            name = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            port = rest.isEmpty ? nil : String(rest.dropFirst())
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2, let first = parts.first, !first.isEmpty else { return nil }
            (name, port) = (String(first), parts.count == 2 ? String(parts[1]) : nil)
        }
    }

    /// Whether it is an address, not a name.
    var isAddress: Bool { Self.isAddress(name) }

    static func isAddress(_ text: String) -> Bool {
        var (four, six) = (in_addr(), in6_addr())
        return inet_pton(AF_INET, text, &four) == 1 || inet_pton(AF_INET6, text, &six) == 1
    }
}
