/// The addresses of the host on which a port is published.
public enum PublishedHost: Sendable, Hashable, CustomStringConvertible {
    /// All, of both kinds.
    case all
    case ipv4(IPv4Address)
    case allIPv6
    case ipv6(IPv6Address)

    /// From `127.0.0.1`, `[::1]`, `0.0.0.0` for all, `[::]` for all of IPv6; nil for anything else.
    init?(_ text: String) {
        if text.hasPrefix("["), text.hasSuffix("]"), let address = IPv6Address(String(text.dropFirst().dropLast())) {
            self = address == .any ? .allIPv6 : .ipv6(address)
        } else if let address = IPv4Address(text) {
            self = address.value == 0 ? .all : .ipv4(address)
        } else {
            return nil
        }
    }

    public var hasIPv4: Bool {
        switch self {
        case .all, .ipv4: true
        case .allIPv6, .ipv6: false
        }
    }

    public var hasIPv6: Bool {
        switch self {
        case .all, .allIPv6, .ipv6: true
        case .ipv4: false
        }
    }

    func overlaps(_ other: PublishedHost) -> Bool {
        switch (self, other) {
        case (.all, _), (_, .all): true
        case (.allIPv6, _): other.hasIPv6
        case (_, .allIPv6): hasIPv6
        default: self == other
        }
    }

    /// As it stands before a port, its colon included.
    public var description: String {
        switch self {
        case .all: ""
        case .ipv4(let address): "\(address):"
        case .allIPv6: "[::]:"
        case .ipv6(let address): "[\(address)]:"
        }
    }
}
