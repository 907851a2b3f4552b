import NIOCore
import Synchronization

/// Notices that a connection's client is gone: it has closed the connection, or its own side of it. Who half-closes a connection gets
/// the answer of a request all the same, unless that waits for something.
final class ClientWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = NIOAny

    private let isGone = Mutex(false)
    private let changes = ChangeSignal()

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { leave() }
        context.fireUserInboundEventTriggered(event)
    }

    private func leave() {
        isGone.withLock { $0 = true }
        changes.signal()
    }

    /// Returns once the client is gone.
    ///
    /// - Throws: `CancellationError` when nobody wants to know any more.
    func departure() async throws(CancellationError) {
        while !isGone.withLock({ $0 }) { try await changes.wait(until: nil) { !isGone.withLock { $0 } } }
    }
}

extension AgentRequestContext {
    func client() async throws -> ClientWatch { try await channel.pipeline.handler(type: ClientWatch.self).get() }

    /// Does what may take long and changes nothing, as long as the client is there.
    ///
    /// - Throws: `CancellationError` once it is gone; the body was cancelled then, and has ended.
    func whileConnected<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let client = try await client()
        return try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await client.departure()
                throw CancellationError()
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() else { throw CancellationError() }
            return result
        }
    }
}
