import Glibc
import Hummingbird
import NIOCore

/// What is known of a request beside its text: who is at the other end of the socket.
struct AgentRequestContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// `struct ucred`, which the Glibc module hasn't got.
    private struct Credentials: Sendable {
        var pid: pid_t
        var user: uid_t
        var group: gid_t
    }

    /// Who asks, for the events: unix(7), `SO_PEERCRED`.
    func because() async -> String {
        guard let options = channel as? any SocketOptionProvider else { return "asked for over the API" }
        let answer: EventLoopFuture<Credentials> = options.unsafeGetSocketOption(
            level: .socket, name: .init(rawValue: SO_PEERCRED))
        guard let peer = try? await answer.get() else { return "asked for over the API" }
        return "asked for by user \(peer.user)"
    }
}
