import AgentAPI
import Glibc
import NIOCore
import NIOSSL

/// Where a request came in, and so how it is known who asks.
enum APIListener: Sendable {
    /// The Unix socket: whoever can open it may do everything.
    case socket
    /// TCP: the client's certificate says what it may do.
    case tls
    /// TCP, for whoever asks: the web page and what it reads.
    ///
    /// - Parameter names: what this host is called, in small letters.
    case web(names: Set<String>)

    /// `struct ucred`, which the Glibc module hasn't got.
    private struct Credentials: Sendable {
        var pid: pid_t
        var user: uid_t
        var group: gid_t
    }

    /// - Throws: `AgentError` `.forbidden` for a certificate without a role.
    func caller(on channel: any Channel) async throws -> APICaller {
        switch self {
        case .web: return APICaller(role: .read, name: "a reader of the web page")
        case .socket:
            // unix(7), `SO_PEERCRED`.
            guard let options = channel as? any SocketOptionProvider else { return APICaller(role: .admin, name: "somebody") }
            let answer: EventLoopFuture<Credentials> = options.unsafeGetSocketOption(
                level: .socket, name: .init(rawValue: SO_PEERCRED))
            let peer = try? await answer.get()
            return APICaller(role: .admin, name: peer.map { "user \($0.user)" } ?? "somebody")
        case .tls:
            guard let certificate = try await channel.nioSSL_peerCertificate().get(),
                let subject = CertificateSubject(certificate: try certificate.toDERBytes())
            else { throw AgentError(.forbidden, "the connection has no client certificate that can be read") }
            let name = printable(subject.commonName ?? "?")
            guard let role = subject.role else {
                throw AgentError(
                    .forbidden,
                    "the certificate of '\(name)' names no role; its organisational unit must be dish:read, dish:operate or dish:admin"
                )
            }
            return APICaller(role: role, name: "'\(name)' (\(role.rawValue)) over TLS")
        }
    }

    private func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(100).map { $0.value < 32 || $0.value == 127 ? "?" : $0 }))
    }
}
