import Hummingbird
import NIOCore
import NIOSSL
import Networks
import Synchronization

/// The bounds of one TCP listener's connections. The Unix socket has none of these, so nobody on TCP takes what it needs.
final class ConnectionLimits: Sendable {
    private struct State {
        var table: ConnectionTable<ObjectIdentifier>
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    private let state: Mutex<State>

    init(most: Int, ofPeer: Int) {
        state = Mutex(State(table: ConnectionTable(most: most, ofPeer: ofPeer)))
    }

    /// Takes a connection in, and closes another, or it, where there is no room.
    func open(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        let closing: (any Channel)? = state.withLock { state in
            switch state.table.open(id, from: Self.peer(channel.remoteAddress)) {
            case .admitted: break
            case .refused: return channel
            case .insteadOf(let other):
                state.channels[id] = channel
                return state.channels.removeValue(forKey: other)
            }
            state.channels[id] = channel
            return nil
        }
        guard let closing else { return }
        closing.eventLoop.execute {
            // TLS would say goodbye first, and wait for an answer.
            if let tls = try? closing.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) {
                tls.close(promise: nil)
            } else {
                closing.close(promise: nil)
            }
        }
    }

    func asked(on channel: any Channel) { state.withLock { $0.table.asked(ObjectIdentifier(channel)) } }

    func closed(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            state.table.closed(id)
            state.channels[id] = nil
        }
    }

    /// An IPv4 address, or the network of an IPv6 address, of which one host may have all.
    private static func peer(_ address: SocketAddress?) -> String {
        let text = address?.ipAddress ?? ""
        guard let six = IPv6Address(String(text.prefix { $0 != "%" })) else { return text }
        // IPv4 in IPv6: RFC 4291, section 2.5.5.2.
        let isMapped = six.high == 0 && six.low >> 32 == 0xffff
        return isMapped ? "\(IPv4Address(value: UInt32(truncatingIfNeeded: six.low)))" : "\(IPv6Address(high: six.high, low: 0))"
    }
}

/// Counts one connection in its listener's limits.
final class ConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private let limits: ConnectionLimits

    init(_ limits: ConnectionLimits) {
        self.limits = limits
    }

    func handlerAdded(context: ChannelHandlerContext) { limits.open(context.channel) }

    func channelInactive(context: ChannelHandlerContext) {
        limits.closed(context.channel)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { limits.closed(context.channel) }
}

/// Notes that a connection has sent a request: over TLS, who sends one has shown a certificate.
struct ConnectionMiddleware: RouterMiddleware {
    let limits: ConnectionLimits

    func handle(
        _ request: Request, context: AgentRequestContext, next: (Request, AgentRequestContext) async throws -> Response
    ) async throws -> Response {
        limits.asked(on: context.channel)
        return try await next(request, context)
    }
}
