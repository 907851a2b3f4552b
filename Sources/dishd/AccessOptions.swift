import Agent
import AgentAPI
import ArgumentParser
import Glibc
import Linux

/// Who may use the API beside root (docs/security.md, "Who may use the API").
struct AccessOptions: ParsableArguments {
    @Option(help: "A group that may use the agent's socket. Its members are as good as root.")
    var socketGroup: String?
    @Option(help: "ADDRESS:PORT where clients with certificates may use the API, too; it needs all of --tls-….")
    var listen: String?
    @Option(help: "PEM file of the agent's certificate.")
    var tlsCert: String?
    @Option(help: "PEM file of its key.")
    var tlsKey: String?
    @Option(help: "PEM file of the authorities whose certificates clients may have.")
    var tlsCa: String?

    func validate() throws {
        let files = [tlsCert, tlsKey, tlsCa].compactMap { $0 }
        guard let listen else {
            if !files.isEmpty { throw ValidationError("--tls-cert, --tls-key and --tls-ca are for --listen ADDRESS:PORT.") }
            return
        }
        guard Self.address(listen) != nil else {
            throw ValidationError("--listen '\(listen)': write ADDRESS:PORT, like 192.0.2.7:7070 or [2001:db8::7]:7070.")
        }
        guard files.count == 3 else {
            throw ValidationError("--listen needs --tls-cert, --tls-key and --tls-ca: it is never open to all.")
        }
    }

    func listener() throws -> TLSListener? {
        guard let listen, let (host, port) = Self.address(listen), let tlsCert, let tlsKey, let tlsCa else { return nil }
        return try TLSListener(host: host, port: port, certificate: tlsCert, key: tlsKey, authorities: tlsCa)
    }

    /// The group's id.
    func group() throws -> gid_t? {
        guard let socketGroup else { return nil }
        if let number = gid_t(socketGroup) { return number }
        guard let entry = getgrnam(socketGroup) else {
            throw StartError("there is no group '\(socketGroup)' for --socket-group; make it: groupadd --system \(socketGroup)")
        }
        return entry.pointee.gr_gid
    }

    private static func address(_ text: String) -> (String, Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return host.isEmpty ? nil : (String(host), Int(port))
    }
}
