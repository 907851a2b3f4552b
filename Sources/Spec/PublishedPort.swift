/// A port of the host that leads to a task's: `[ADDRESS:]HOST:TASK[/tcp|/udp]`.
public struct PublishedPort: Written, Hashable {
    public enum TransportProtocol: String, Sendable {
        case tcp, udp
    }

    public static let form = TextForm(
        "a published port", pattern: #"^(([0-9]+(\.[0-9]+){3}|\[[0-9A-Fa-f:.]+\]):)?[0-9]+:[0-9]+(/(tcp|udp))?$"#)

    /// Where it is published.
    public let host: PublishedHost
    public let hostPort: UInt16
    public let taskPort: UInt16
    public let transport: TransportProtocol

    public init(parsing text: String) throws(FieldFault) {
        func invalid(_ reason: String) -> FieldFault {
            FieldFault(
                "", "'\(text)': \(reason); write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp")
        }
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { throw invalid("there is more than one '/'") }
        guard let transport = TransportProtocol(rawValue: halves.count == 2 ? String(halves[1]) : "tcp") else {
            throw invalid("'\(halves[1])' is not tcp or udp")
        }
        var rest = halves[0]
        var address: Substring?
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            address = rest[...end]
            rest = rest[rest.index(after: end)...]
            guard rest.first == ":" else { throw invalid("after the address comes a colon") }
            rest = rest.dropFirst()
        }
        var fields = rest.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if fields.count == 3, address == nil { address = Substring(fields.removeFirst()) }
        guard let host = address.map({ PublishedHost(String($0)) }) ?? .all else {
            throw invalid("'\(address ?? "")' is not an IPv4 address, or an IPv6 address in brackets")
        }
        guard fields.count == 2 else { throw invalid("it needs a port of the host and one of the task") }
        func port(_ field: String) throws(FieldFault) -> UInt16 {
            guard field.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(field), port > 0 else {
                throw invalid("'\(field)' is not a port from 1 to 65535")
            }
            return port
        }
        self.host = host
        self.hostPort = try port(fields[0])
        self.taskPort = try port(fields[1])
        self.transport = transport
    }

    /// Whether both want the same port of the host.
    public func conflicts(with other: PublishedPort) -> Bool {
        hostPort == other.hostPort && transport == other.transport && host.overlaps(other.host)
    }

    public var description: String {
        "\(host)\(hostPort):\(taskPort)\(transport == .udp ? "/udp" : "")"
    }
}
