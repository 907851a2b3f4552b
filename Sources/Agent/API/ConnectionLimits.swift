import NIOCore
import NIOHTTPTypes
import NIOSSL
import Networks
import Spec
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
        if let closing { Self.close(closing) }
    }

    /// Closes a connection at once, whatever is still to be sent on it.
    static func close(_ channel: any Channel) {
        channel.eventLoop.execute {
            // TLS would say goodbye first, and wait for an answer.
            if let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) {
                tls.close(promise: nil)
            } else {
                channel.close(promise: nil)
            }
        }
    }

    func began(on channel: any Channel) { state.withLock { $0.table.began(ObjectIdentifier(channel)) } }

    func ended(on channel: any Channel) { state.withLock { $0.table.ended(ObjectIdentifier(channel)) } }

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

/// Counts one connection and its requests in its listener's limits, and closes it when a request's body takes too long to arrive, or
/// the client takes nothing of an answer for too long. A stream that the client reads may go on for ever.
///
/// Over TLS, whoever sends a request has shown a certificate.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: ConnectionLimits
    private let patience: TimeAmount
    private var upload: Scheduled<Void>?
    private var download: Scheduled<Void>?
    /// Pieces of answers that the client hasn't taken yet.
    private var unread = 0
    /// When it last took one, or there was none to take.
    private var lastTaken = NIODeadline.now()

    init(_ limits: ConnectionLimits, patience: TimeAmount = .seconds(60)) {
        self.limits = limits
        self.patience = patience
    }

    func handlerAdded(context: ChannelHandlerContext) { limits.open(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            let channel = context.channel
            limits.began(on: channel)
            upload?.cancel()
            upload = context.eventLoop.scheduleTask(in: patience) { ConnectionLimits.close(channel) }
        case .body: break
        case .end:
            upload?.cancel()
            upload = nil
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let promise = promise ?? context.eventLoop.makePromise()
        let (channel, limits) = (context.channel, limits)
        var isLast = false
        if case .end = unwrapOutboundIn(data) { isLast = true }
        if unread == 0 {
            lastTaken = .now()
            watch(channel, until: lastTaken + patience)
        }
        unread += 1
        promise.futureResult.assumeIsolated().whenComplete { [isLast] _ in
            self.unread -= 1
            self.lastTaken = .now()
            if self.unread == 0 {
                self.download?.cancel()
                self.download = nil
            }
            if isLast { limits.ended(on: channel) }
        }
        context.write(data, promise: promise)
    }

    private func watch(_ channel: any Channel, until deadline: NIODeadline) {
        download?.cancel()
        download = channel.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            let deadline = self.lastTaken + self.patience
            if deadline <= .now() { ConnectionLimits.close(channel) } else { self.watch(channel, until: deadline) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    private func end(_ context: ChannelHandlerContext) {
        upload?.cancel()
        download?.cancel()
        limits.closed(context.channel)
    }
}
